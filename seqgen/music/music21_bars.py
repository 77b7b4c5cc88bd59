"""A part of a music21 stream as a voice: measures, notes and what hangs on them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from seqgen.music.abc.values import MAX_TUPLET
from seqgen.music.jump_marks import DECORATIONS as JUMPS
from seqgen.music.jump_marks import mark_of
from seqgen.music.music21_signs import read_clef, read_key, read_meter
from seqgen.music.musicxml.values import ARTICULATIONS, DYNAMICS, ORNAMENTS, TECHNICAL
from seqgen.music.score import (
    PLAIN,
    Attached,
    Bar,
    BarLine,
    Chord,
    Clef,
    Graces,
    Item,
    Key,
    KeyChange,
    LineBreak,
    Meter,
    MeterChange,
    Note,
    PartMark,
    Pitch,
    Rest,
    Spacer,
    Syllable,
    Tempo,
    TempoChange,
    Tuplet,
    Voice,
    pitch,
)
from seqgen.music.tuplets import group_tuplets

__all__ = ["PartReader"]

_BARS_A_LINE = 4
_MAX_VERSES = 64
_STYLES = {"double": "double", "final": "final", "heavy-light": "start", "dotted": "dotted"}
_KINDS = {"minor": "m", "dominant-seventh": "7", "minor-seventh": "m7", "diminished": "dim",
          "augmented": "aug", "major-seventh": "maj7"}  # fmt: skip


def _names() -> dict[str, str]:
    """Our decorations by the names of music21's classes, such as ``StrongAccent``."""
    found: dict[str, str] = {"Fermata": "fermata", "ArpeggioMark": "arpeggio"}
    for table in (TECHNICAL, ORNAMENTS, ARTICULATIONS):
        for ours, theirs in table.items():
            name = theirs.removesuffix("-mark").title().replace("-", "")
            found.setdefault(name, ours)
    return found | {"Trill": "trill", "Turn": "turn", "Accent": "accent", "BreathMark": "breath"}


_DECORATIONS = _names()


class PartReader:
    """Reads one part.

    Attributes:
        first_tempo: the tempo mark before the first note, if there is one.
    """

    def __init__(self, part: Any, voice_id: str, key: Key, meter: Meter) -> None:
        self._part = part
        self._id = voice_id
        self._key = key
        self._meter = meter
        self._clef: Clef | None = None
        self._semitones = 0
        self.first_tempo: TempoChange | None = None
        self._notes = 0
        self._slurs: dict[int, list[int]] = {}
        self._verses: dict[int, bool] = {}

    def voice(self) -> Voice:
        """The whole part."""
        part = self._part
        instrument = part.getInstrument(returnDefault=False)
        if instrument is not None and instrument.transposition is not None:
            self._semitones = round(instrument.transposition.semitones)
        measures = list(part.getElementsByClass("Measure"))
        if not measures:
            measures = list(part.makeMeasures().getElementsByClass("Measure"))
        for slur in part.recurse().getElementsByClass("Slur"):
            first, last = slur.getFirst(), slur.getLast()
            if first is not None and last is not None and first is not last:
                self._slurs.setdefault(id(first), [0, 0])[0] += 1
                self._slurs.setdefault(id(last), [0, 0])[1] += 1
        endings = {
            id(bracket.getFirst()): tuple(bracket.numberRange)
            for bracket in part.recurse().getElementsByClass("RepeatBracket")
        }
        encoded = any(each.isNew for each in part.recurse().getElementsByClass("SystemLayout"))
        bars: list[Bar] = []
        left = self._line(measures[0].leftBarline) if measures else BarLine("none")
        for index, measure in enumerate(measures):
            layers = [self._layer(layer, measure) for layer in measure.voices or [measure]]
            if measure.voices:
                layers[0] = [*self._changes(measure), *layers[0]]
            layout = measure.getElementsByClass("SystemLayout").first()
            new_line = layout is not None and layout.isNew if encoded else index % _BARS_A_LINE == 0
            if index and new_line:
                layers[0].insert(0, LineBreak())
            following = measures[index + 1] if index + 1 < len(measures) else None
            right = self._boundary(measure, following)
            ending = endings.get(id(measure), ())
            overlays = tuple(tuple(layer) for layer in layers[1:])
            bars.append(Bar(left, right, tuple(layers[0]), overlays, ending))
            left = right
        return Voice(self._id, part.partName or "", self._clef or Clef(), tuple(bars))

    def _boundary(self, measure: Any, following: Any) -> BarLine:
        """The bar line between two measures: what either says of it."""
        before = self._line(measure.rightBarline)
        after = self._line(following.leftBarline) if following is not None else BarLine("none")
        style = before.style if before.style not in ("none", "thin") else after.style
        if style in ("none", "final" if before.closes else "none"):
            style = "thin"
        return BarLine(style, before.closes, after.opens)

    def _line(self, found: Any) -> BarLine:
        if found is None:
            return BarLine("none")
        if "Repeat" in found.classes:
            if found.direction == "start":
                return BarLine("thin", 0, 2)
            return BarLine("thin", found.times or 2, 0)
        return BarLine(_STYLES.get(found.type, "thin"))

    # -- what a measure holds

    def _changes(self, measure: Any) -> list[Item]:
        """Signatures and marks of a measure whose notes stand in voices."""
        return [item for each in measure if (item := self._change(each)) is not None]

    def _change(self, element: Any) -> Item | None:
        classes = element.classes
        if "KeySignature" in classes:
            key = read_key(element)
            if key != self._key:
                self._key = key
                return KeyChange(key, None)
        elif "TimeSignature" in classes:
            meter = read_meter(element)
            if meter != self._meter:
                self._meter = meter
                return MeterChange(meter)
        elif "Clef" in classes:
            clef = read_clef(element, self._semitones)
            if self._clef is None:
                self._clef = clef
            elif clef != self._clef and self._notes:
                return KeyChange(None, clef)
        elif "MetronomeMark" in classes:
            return self._tempo(element)
        elif "RehearsalMark" in classes:
            return PartMark(" ".join(f"{element.content}".split()))
        return None

    def _tempo(self, mark: Any) -> Item | None:
        number = mark.number
        text = " ".join(f"{mark.text or ''}".replace('"', "'").split())
        if number is None and not text:
            return None
        if number is None:
            change = TempoChange(Tempo(text=text))
        else:
            beat = Fraction(mark.referent.quarterLength) / 4
            change = TempoChange(Tempo((beat,), Fraction(f"{number:.6g}"), text))
        if self._notes == 0 and self.first_tempo is None:
            self.first_tempo = change
            return None
        return change

    def _layer(self, stream: Any, measure: Any) -> list[Item]:
        items: list[Item] = []
        graces: list[Note | Chord] = []
        slashed = False
        symbols: list[str] = []
        texts: list[str] = []
        decorations: list[str] = []
        for element in stream:
            classes = element.classes
            if "ChordSymbol" in classes:
                symbols.append(_symbol(element))
            elif "GeneralNote" in classes and element.duration.isGrace:
                graces.append(self._event(element, PLAIN, grace=True))
                slashed = slashed or bool(element.duration.slash)
            elif "GeneralNote" in classes:
                opened, closed = self._slurs.get(id(element), (0, 0))
                attached = Attached(
                    (*decorations, *_marks(element)), tuple(symbols), tuple(texts),
                    Graces(tuple(graces), slashed) if graces else None,
                    opened, closed, self._lyrics(element),
                )  # fmt: skip
                items.append(self._event(element, PLAIN if attached == PLAIN else attached))
                self._notes += 1
                graces, slashed, symbols, texts, decorations = [], False, [], [], []
            elif "TextExpression" in classes:
                mark = "_" if element.placement == "below" else "^"
                texts.append(mark + " ".join(f"{element.content}".replace('"', "'").split()))
            elif "RepeatExpression" in classes and (jump := mark_of(element.getText())) is not None:
                decorations.append(JUMPS[jump])
            elif "Dynamic" in classes and element.value in DYNAMICS:
                decorations.append(element.value)
            elif stream is measure and (item := self._change(element)) is not None:
                items.append(item)
        if texts or decorations:
            items.append(Spacer(Attached(tuple(decorations), (), tuple(texts))))
        return group_tuplets(items)

    def _event(self, element: Any, attached: Attached, grace: bool = False) -> Any:
        duration = Fraction(element.duration.quarterLength) / 4
        if grace:
            duration = Fraction(1, 8)
        tuplets = element.duration.tuplets
        tuplet = None
        if len(tuplets) == 1 and not grace:
            tuplet = _tuplet(tuplets[0].numberNotesActual, tuplets[0].numberNotesNormal)
        if "Rest" in element.classes:
            return Rest(duration, not element.style.hideObjectOnPrint, 0, tuplet, attached)
        beams = [] if "Rest" in element.classes else element.beams.beamsList
        joined = bool(beams) and beams[0].type in ("continue", "stop")
        members = element.notes if "Chord" in element.classes else [element]
        notes = []
        for member in members:
            sounding = getattr(member, "pitch", None)
            if sounding is None:  # percussion without a pitch
                notes.append(Note(pitch("C", 0, 5), None, duration))
                continue
            octave = sounding.octave if sounding.octave is not None else 4
            tie = member.tie is not None and member.tie.type in ("start", "continue")
            notes.append(Note(_pitch(sounding.step, sounding.alter, octave), None, duration, tie))
        if len(notes) == 1:
            return notes[0]._replace(joined=joined, tuplet=tuplet, attached=attached)
        return Chord(tuple(notes), duration, joined, tuplet, attached)

    def _lyrics(self, element: Any) -> tuple[Syllable, ...]:
        lyrics = element.lyrics
        for each in lyrics:
            if not 0 < each.number <= _MAX_VERSES:
                raise ValueError(f"there is no verse {each.number}")
        return tuple(
            Syllable(each.number, each.text or "", each.syllabic in ("begin", "middle"))
            for each in lyrics
        )


def _pitch(step: str, alter: float, octave: int) -> Pitch:
    """A pitch that both ABC and MIDI have."""
    if abs(alter) > 2 or not -2 < octave < 10:
        raise ValueError(f"there is no note {step} of octave {octave}, altered by {alter:g}")
    return pitch(step, round(alter), octave)


def _tuplet(actual: int, normal: int) -> Tuplet:
    if not (1 < actual <= MAX_TUPLET and 0 < normal <= MAX_TUPLET):
        raise ValueError(f"there are no tuplets of {actual} notes in the time of {normal}")
    return Tuplet(actual, normal, 1, 0)


def _symbol(element: Any) -> str:
    root, bass = element.root().name, element.bass()
    kind = element.chordKindStr or _KINDS.get(element.chordKind, "")
    under = "" if bass is None or bass.name == root else f"/{bass.name}"
    return f"{root}{kind}{under}".replace("-", "b")


def _marks(element: Any) -> list[str]:
    found = [*getattr(element, "expressions", ()), *getattr(element, "articulations", ())]
    names = []
    for each in found:
        kind = type(each).__name__
        if kind == "Fingering":
            names.append(f"{each.fingerNumber}")
        elif kind in _DECORATIONS:
            names.append(_DECORATIONS[kind])
    return names
