"""Notes, chords and rests as MusicXML: values, ties, tuplets, beams, slurs, lyrics, marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from seqgen.music.musicxml.notations import (
    VoiceState,
    append,
    close_slurs,
    open_slurs,
    write_lyrics,
    write_marks,
)
from seqgen.music.musicxml.values import ACCIDENTALS, Written, written_values
from seqgen.music.score import Chord, Event, Graces, Note, Rest, Tuplet

__all__ = ["Placed", "place", "write_event"]


@dataclass(slots=True)
class Placed:
    """An event with what depends on its neighbours in the bar."""

    event: Event
    values: tuple[Written, ...]
    fills_bar: bool = False
    beams: list[str] = field(default_factory=list)
    starts_tuplet: bool = False
    ends_tuplet: bool = False


def place(events: Sequence[Event]) -> list[Placed]:
    """The events of one layer of a bar, with their values, beams and tuplet brackets."""
    placed = []
    for event in events:
        tuplet = event.tuplet
        written = event.duration
        if tuplet is not None:
            written *= Fraction(tuplet.actual, tuplet.normal)
        # A bar's rest is drawn as one, whatever it lasts.
        whole = len(events) == 1 and isinstance(event, Rest) and event.bars > 0
        values = (Written(written, "", 0, 0),) if whole else written_values(written)
        placed.append(Placed(event, values, whole))
    for index, each in enumerate(placed):
        tuplet = each.event.tuplet
        if tuplet is not None:
            before = placed[index - 1].event.tuplet if index else None
            after = placed[index + 1].event.tuplet if index + 1 < len(placed) else None
            each.starts_tuplet = before is None or before.position >= tuplet.position
            each.ends_tuplet = after is None or after.position <= tuplet.position
    _beam(placed)
    return placed


def _flags(each: Placed) -> int:
    """How many beams an event can share: none for a rest, a long note or two tied values."""
    return each.values[0].flags if _beamable(each) else 0


def _beamable(each: Placed) -> bool:
    return len(each.values) == 1 and isinstance(each.event, Note | Chord)


def _beam(placed: list[Placed]) -> None:
    """Beam the notes that are joined: one group as long as each could share a beam."""
    group: list[Placed] = []
    for each in placed:
        joined = isinstance(each.event, Note | Chord) and each.event.joined
        if not joined or not _flags(each):
            _beam_group(group)
            group = []
        if _flags(each):
            group.append(each)
    _beam_group(group)


def _beam_group(group: list[Placed]) -> None:
    levels = [_flags(each) for each in group]
    if len(group) < 2:
        return
    for index, each in enumerate(group):
        before = levels[index - 1] if index else 0
        after = levels[index + 1] if index + 1 < len(group) else 0
        for level in range(1, levels[index] + 1):
            if before >= level and after >= level:
                each.beams.append("continue")
            elif after >= level:
                each.beams.append("begin")
            elif before >= level:
                each.beams.append("end")
            else:
                each.beams.append("backward hook" if index else "forward hook")


def write_event(
    measure: Element, placed: Placed, state: VoiceState, voice: int, next_event: Event | None
) -> None:
    """Append an event's ``<note>`` elements, grace notes first.

    Args:
        voice: number of the layer in its measure.
        next_event: what follows in its layer, to see whether a tie leads anywhere.
    """
    event = placed.event
    if event.attached.graces is not None:
        _write_graces(measure, event.attached.graces, state, voice)
    notes = event.notes if isinstance(event, Chord) else (event,)
    coming = _pitches(next_event)
    going_on = frozenset(
        note.pitch.midi for note in notes
        if isinstance(note, Note) and note.tie and note.pitch.midi in coming
    )  # fmt: skip
    last = len(placed.values) - 1
    for part, value in enumerate(placed.values):
        for index, note in enumerate(notes):
            element = append(measure, "note")
            if isinstance(note, Rest):
                _write_rest(element, note, placed.fills_bar)
                stops = starts = False
            else:
                if index:
                    append(element, "chord")
                _write_pitch(element, note, state.octave)
                number = note.pitch.midi
                stops = part > 0 or number in state.tied
                starts = part < last or number in going_on
            _write_value(element, value, event, state, voice, (stops, starts), placed)
            if isinstance(note, Note) and note.accidental is not None and part == 0:
                _insert_accidental(element, note.accidental)
            if event.tuplet is not None:
                _write_time_modification(element, event.tuplet)
            if index == 0:
                for level, beam in enumerate(placed.beams, 1):
                    append(element, "beam", beam, number=f"{level}")
            _write_notations(
                element, placed, state,
                first=index == 0 and part == 0, last=index == 0 and part == last,
                ties=(stops, starts),
            )  # fmt: skip
            if index == 0 and part == 0:
                write_lyrics(element, event.attached, state)
    state.tied = going_on


def _pitches(event: Event | None) -> frozenset[int]:
    if isinstance(event, Note):
        return frozenset({event.pitch.midi})
    if isinstance(event, Chord):
        return frozenset(note.pitch.midi for note in event.notes)
    return frozenset()


def _write_pitch(element: Element, note: Note, octave: int) -> None:
    child = append(element, "pitch")
    append(child, "step", note.pitch.step)
    if note.pitch.alter:
        append(child, "alter", note.pitch.alter)
    append(child, "octave", note.pitch.octave + octave)


def _write_rest(element: Element, rest: Rest, fills_bar: bool) -> None:
    if not rest.visible:
        element.set("print-object", "no")
    append(element, "rest", **({"measure": "yes"} if fills_bar else {}))


def _write_value(
    element: Element,
    value: Written,
    event: Event,
    state: VoiceState,
    voice: int,
    ties: tuple[bool, bool],
    placed: Placed,
) -> None:
    sounding = value.duration
    if event.tuplet is not None:
        sounding *= Fraction(event.tuplet.normal, event.tuplet.actual)
    append(element, "duration", sounding * 4 * state.divisions)
    for tied, kind in zip(ties, ("stop", "start"), strict=True):
        if tied:
            append(element, "tie", type=kind)
    append(element, "voice", voice)
    if value.name:
        append(element, "type", value.name)
        for _ in range(value.dots):
            append(element, "dot")


def _insert_accidental(element: Element, accidental: int) -> None:
    append(element, "accidental", ACCIDENTALS[accidental])


def _write_time_modification(element: Element, tuplet: Tuplet) -> None:
    child = append(element, "time-modification")
    append(child, "actual-notes", tuplet.actual)
    append(child, "normal-notes", tuplet.normal)


def _write_notations(
    element: Element,
    placed: Placed,
    state: VoiceState,
    *,
    first: bool,
    last: bool,
    ties: tuple[bool, bool],
) -> None:
    """Ties for every note; tuplet, slurs and marks for an event's first or last note alone."""
    notations = Element("notations")
    attached = placed.event.attached
    for tied, kind in zip(ties, ("stop", "start"), strict=True):
        if tied:
            append(notations, "tied", type=kind)
    if first:
        open_slurs(notations, attached, state)
        if placed.starts_tuplet:
            append(notations, "tuplet", type="start", number="1")
    if last:
        close_slurs(notations, attached, state)
        if placed.ends_tuplet:
            append(notations, "tuplet", type="stop", number="1")
    if first:
        write_marks(notations, attached.decorations)
    if len(notations):
        element.append(notations)


def _write_graces(measure: Element, graces: Graces, state: VoiceState, voice: int) -> None:
    """Grace notes; ABC says nothing of their value, so one is an eighth and more are sixteenths."""
    several = len(graces.notes) > 1
    for index, event in enumerate(graces.notes):
        for position, note in enumerate(event.notes if isinstance(event, Chord) else (event,)):
            element = append(measure, "note")
            append(element, "grace", slash="yes" if graces.slashed else "no")
            if position:
                append(element, "chord")
            _write_pitch(element, note, state.octave)
            append(element, "voice", voice)
            append(element, "type", "16th" if several else "eighth")
            if note.accidental is not None:
                _insert_accidental(element, note.accidental)
            if several and not position:
                last = index == len(graces.notes) - 1
                beam = "end" if last else "continue" if index else "begin"
                for level in ("1", "2"):
                    append(element, "beam", beam, number=level)
