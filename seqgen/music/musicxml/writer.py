"""Tunes as MusicXML: parts, measures, repeats and endings."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from math import lcm
from xml.etree.ElementTree import Element, indent, tostring

from seqgen.music.abc.accents import accents
from seqgen.music.abc.canonical import canonical
from seqgen.music.jump_marks import leaves_at_sign, signs_with_their_bars
from seqgen.music.musicxml.measures import (
    clef_octave,
    write_clef,
    write_key,
    write_meter,
    write_music,
    write_tempo,
)
from seqgen.music.musicxml.notations import VoiceState, append
from seqgen.music.musicxml.values import BAR_STYLES
from seqgen.music.score import (
    Bar,
    BarLine,
    Chord,
    Event,
    Item,
    LineBreak,
    MeterChange,
    Note,
    Rest,
    Tune,
    Voice,
)

__all__ = ["write_musicxml", "write_mxl"]

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    ' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml" media-type="application/vnd.recordare.musicxml+xml"/>'
    "</rootfiles></container>\n"
)


def write_mxl(tune: Tune) -> bytes:
    """A tune as a compressed MusicXML file (.mxl); the same tune gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (
            ("META-INF/container.xml", _CONTAINER.encode()),
            ("score.musicxml", write_musicxml(tune)),
        ):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write_musicxml(tune: Tune) -> bytes:
    """A tune as a MusicXML 4.0 file, in UTF-8.

    Notes stand at the pitch that sounds, repeats as written. What MusicXML has no place for
    (directives, fields such as N:) is left out.
    """
    tune = canonical(tune)
    score = Element("score-partwise", version="4.0")
    composers = [accents(each.value) for each in tune.fields if each.name == "C" and each.value]
    if tune.titles:
        append(append(score, "work"), "work-title", tune.titles[0])
        append(score, "movement-title", tune.titles[0])
    identification = append(score, "identification")
    for composer in composers:
        append(identification, "creator", composer, type="composer")
    append(append(identification, "encoding"), "software", "seqgen")
    for words in tune.titles[:1]:
        _write_credit(score, "title", words, "center")
    for words in tune.titles[1:]:
        _write_credit(score, "subtitle", words, "center")
    for words in composers:
        _write_credit(score, "composer", words, "right")
    parts = append(score, "part-list")
    for number, voice in enumerate(tune.voices, 1):
        part = append(parts, "score-part", id=f"P{number}")
        append(part, "part-name", voice.name or (voice.id if len(tune.voices) > 1 else ""))
    divisions = _divisions(tune)
    for number, voice in enumerate(tune.voices, 1):
        part = append(score, "part", id=f"P{number}")
        _Part(part, tune, voice, divisions).write()
    _level(score)
    indent(score, " ")
    body: bytes = tostring(score, encoding="utf-8")
    return _DOCTYPE.encode() + body + b"\n"


def _write_credit(score: Element, kind: str, words: str, side: str) -> None:
    """Words over the first page."""
    credit = append(score, "credit", page="1")
    append(credit, "credit-type", kind)
    append(credit, "credit-words", words, halign=side, justify=side, valign="top")


def _divisions(tune: Tune) -> int:
    """The least number of divisions of a quarter note in which every duration is whole."""
    denominators = {
        (4 * item.duration).denominator
        for voice in tune.voices
        for bar in voice.bars
        for layer in (bar.items, *bar.overlays)
        for item in layer
        if isinstance(item, Note | Chord | Rest)
    }
    return lcm(*denominators)


def _level(score: Element) -> None:
    """Give every part as many measures as the longest has."""
    parts = score.findall("part")
    longest = max(parts, key=len)
    for part in parts:
        for measure in longest[len(part) :]:
            append(part, "measure", number=measure.get("number", ""), implicit="yes")


def _starts_line(items: Sequence[Item]) -> bool:
    """Whether a line of the printed score ends before the first event."""
    for item in items:
        if isinstance(item, LineBreak):
            return True
        if isinstance(item, Note | Chord | Rest):
            return False
    return False


def _ends_line(items: Sequence[Item]) -> bool:
    """Whether a line of the printed score ends after the last event."""
    return _starts_line(tuple(reversed(items)))


class _Part:
    """Writes one voice as a ``<part>``."""

    def __init__(self, part: Element, tune: Tune, voice: Voice, divisions: int) -> None:
        self._part = part
        self._tune = tune
        self._voice = voice
        first = voice is tune.voices[0]
        self._state = VoiceState(divisions, first, clef_octave(voice.clef))
        self._meter = tune.meter
        self._number = 0
        self._parted = 0

    def write(self) -> None:
        bars = _with_single_rests(_without_empty_end(signs_with_their_bars(self._voice.bars)))
        firsts = _following_events(bars)
        endings = _ending_ends(bars)
        self._state.leaves_at_coda = leaves_at_sign(bars)
        carried: list[Item] = []
        new_line = False
        opened = False
        for index, bar in enumerate(bars):
            if (
                not any(bar.events)
                and not bar.overlays
                and not bar.ending
                and index + 1 < len(bars)
            ):
                carried += bar.items
                continue
            for item in (*carried, *bar.items):
                if isinstance(item, MeterChange):
                    self._meter = item.meter
            measure = append(self._part, "measure", **self._name(bar))
            if (new_line or _starts_line((*carried, *bar.items))) and len(self._part) > 1:
                append(measure, "print", new_system="yes")
            if len(self._part) == 1:
                self._begin(measure)
            opened |= bool(bar.ending or bar.ending_text)
            self._left(measure, bar)
            write_music(measure, bar, carried, self._state, firsts[index])
            self._right(measure, bar, endings.get(index) if opened else None)
            opened &= index not in endings
            new_line = bool(bar.events) and _ends_line(bar.items)
            carried = []

    def _name(self, bar: Bar) -> dict[str, str]:
        """A measure's number; one that does not fill its metre, such as an upbeat, gets none."""
        full = self._meter.duration
        if full is not None and bar.duration < full:
            self._parted += 1
            number = "0" if self._number == 0 and self._parted == 1 else f"X{self._parted}"
            return {"number": number, "implicit": "yes"}
        self._number += 1
        return {"number": f"{self._number}"}

    def _begin(self, measure: Element) -> None:
        attributes = append(measure, "attributes")
        append(attributes, "divisions", self._state.divisions)
        write_key(attributes, self._tune.key)
        if self._tune.meter.beats:
            write_meter(attributes, self._tune.meter)
        write_clef(attributes, self._voice.clef)
        if self._tune.tempo is not None and self._state.topmost:
            write_tempo(measure, self._tune.tempo)

    def _left(self, measure: Element, bar: Bar) -> None:
        if not (bar.left.opens or bar.ending or bar.ending_text):
            return
        line = append(measure, "barline", location="left")
        if bar.left.opens:
            append(line, "bar-style", "heavy-light")
        if bar.ending or bar.ending_text:
            numbers = ", ".join(map(str, bar.ending)) or "1"
            append(line, "ending", bar.ending_text or f"{numbers}.", number=numbers, type="start")
            self._ending = numbers
        if bar.left.opens:
            append(line, "repeat", direction="forward")

    def _right(self, measure: Element, bar: Bar, ending: str | None) -> None:
        right = bar.right
        if not (right.closes or ending or right.style in BAR_STYLES):
            return
        line = append(measure, "barline", location="right")
        if right.closes:
            append(line, "bar-style", "light-heavy")
        elif right.style in BAR_STYLES:
            append(line, "bar-style", BAR_STYLES[right.style])
        if ending:
            append(line, "ending", number=self._ending, type=ending)
        if right.closes:
            times = {"times": f"{right.closes}"} if right.closes > 2 else {}
            append(line, "repeat", direction="backward", **times)


def _without_empty_end(bars: Sequence[Bar]) -> Sequence[Bar]:
    """The bars, marks after the last bar line (such as D.C.) moved before it."""
    if len(bars) < 2 or bars[-1].events or bars[-1].overlays:
        return bars
    return [*bars[:-2], bars[-2]._replace(items=(*bars[-2].items, *bars[-1].items))]


def _with_single_rests(bars: Sequence[Bar]) -> list[Bar]:
    """The bars with each rest of several bars as so many bars."""
    single: list[Bar] = []
    for bar in bars:
        events = bar.events
        rest = events[0] if len(events) == 1 else None
        if not isinstance(rest, Rest) or rest.bars < 2:
            single.append(bar)
            continue
        one = rest._replace(duration=rest.duration / rest.bars, bars=1)
        plain = BarLine("thin")
        items = tuple(one if item is rest else item for item in bar.items)
        single.append(bar._replace(right=plain, items=items))
        single += [Bar(plain, plain, (one,))] * (rest.bars - 2)
        single.append(Bar(plain, bar.right, (one,)))
    return single


def _following_events(bars: Sequence[Bar]) -> list[list[Event | None]]:
    """For each bar the first event of those after it, then of each overlay of the next."""
    following: list[list[Event | None]] = []
    first: Event | None = None
    over: list[Event | None] = []
    for bar in reversed(bars):
        following.append([first, *over])
        first = next(iter(bar.events), first)
        over = [
            next((each for each in layer if isinstance(each, Note | Chord | Rest)), None)
            for layer in bar.overlays
        ]
    return following[::-1]


def _ending_ends(bars: Sequence[Bar]) -> dict[int, str]:
    """The bars on which an ending, if one is open, ends, and how its bracket is drawn."""
    ends: dict[int, str] = {}
    for index, (bar, after) in enumerate(pairwise([*bars, None])):
        if bar is None:
            continue
        if bar.right.closes:
            ends[index] = "stop"
        elif (
            after is None
            or bar.right.opens
            or bar.right.style in ("double", "final", "start")
            or after.ending
            or after.ending_text
        ):
            ends[index] = "discontinue"
    return ends
