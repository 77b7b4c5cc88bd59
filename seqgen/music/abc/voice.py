"""Builds one voice from notes, marks and bar lines as the parser meets them.

What its notes stand for is a :class:`NoteReader`'s to say, its bars a :class:`BarBuilder`'s. Here
they come together with what waits for a note, and what is written after one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from seqgen.music.abc.bar_builder import BarBuilder
from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import pieces_of
from seqgen.music.abc.note_reader import NoteReader
from seqgen.music.abc.runs import RUNS, Made
from seqgen.music.abc.values import in_steps
from seqgen.music.abc.waiting import (
    Broken,
    Group,
    Pending,
    with_attached,
    with_duration,
    with_slur_closed,
)
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    PLAIN,
    Attached,
    BarLine,
    Chord,
    Clef,
    Directive,
    Event,
    Item,
    Key,
    Meter,
    Note,
    Rest,
    Spacer,
    Tuplet,
    Voice,
)

__all__ = ["VoiceBuilder"]

_ONE = Fraction(1)


class VoiceBuilder:
    """One voice as it is read.

    Args:
        voice_id, clef, key, meter, unit: of the voice, in force at its beginning.
        report: where diagnostics go.

    Attributes:
        notes: how many notes, chords and rests it has.
        joined: whether no blank stands before what comes next.
        reader: says what its notes stand for, by what the fields have set.
        bars: its music.
    """

    __slots__ = (
        "_broken",
        "_faulty",
        "_group",
        "_pending",
        "_report",
        "bars",
        "clef",
        "id",
        "joined",
        "name",
        "notes",
        "reader",
    )

    def __init__(
        self, voice_id: str, clef: Clef, key: Key, meter: Meter, unit: Fraction, report: Report
    ) -> None:
        self.id = voice_id
        self.name = ""
        self.clef = clef
        self.notes = 0
        self.joined = False
        self.reader = NoteReader(key, unit, clef, report)
        self.bars = BarBuilder(meter)
        self._report = report
        self._pending: Pending | None = None
        self._broken: Broken | None = None
        self._group: Group | None = None
        self._faulty = False  # whether what was read last was reported, and must be again

    def set_clef(self, clef: Clef) -> None:
        """Change the clef from here on."""
        self.reader.set_clef(clef)
        if not self.notes:
            self.clef = clef

    def follow(self, directive: Directive) -> None:
        """Heed ``propagate-accidentals`` (11.3) from here on."""
        words = directive.text.split()
        if len(words) == 2 and words[0] == "propagate-accidentals":
            self.reader.set_propagation(words[1])

    # -- notes and rests

    def add_notes(self, run: str, offset: int) -> None:
        """Add the notes and rests of a NOTES lexeme."""
        bars, reader = self.bars, self.reader
        if bars.offset < 0:
            bars.offset = offset
        first = len(bars.items)
        pending, self._pending = self._pending, None
        if self._broken or self._group or reader.tied:
            self._read(run, offset, waited=True)
        elif (made := reader.table.runs[self.joined].get(run)) is not None:
            # Nearly every run: one that was met before.
            events, steps, reader.table = made
            bars.items += events
            bars.steps += steps
            self.notes += len(events)
            self.joined = True
        else:
            self._read_new(run, offset)
        if pending is not None:
            event = cast("Event", bars.items[first])
            bars.items[first] = with_attached(event, pending.attached())

    def _read_new(self, run: str, offset: int) -> None:
        """Read a run, and remember it unless it was at fault."""
        bars, reader = self.bars, self.reader
        known = reader.table.runs[self.joined]
        first, steps = len(bars.items), bars.steps
        self._faulty = False
        self._read(run, offset, waited=False)
        if not self._faulty:
            events = tuple(cast("list[Event]", bars.items[first:]))
            RUNS.keep(known, run, Made(events, bars.steps - steps, reader.table))

    def _read(self, run: str, offset: int, *, waited: bool) -> None:
        """Read a run event by event, up to where nothing waits any more if something did."""
        for number, (text, at, apart) in enumerate(pieces_of(run)):
            if apart:
                self.joined = False
            if text[0] in "<>":
                self.broken(text, offset + at)
            elif waited and number and not (self._broken or self._group):
                self.add_notes(run[at:], offset + at)
                return
            else:
                self._add_event(text, offset + at)

    def _add_event(self, text: str, offset: int) -> None:
        """Add a note or rest, in its tuplet and broken rhythm."""
        bars, reader, group = self.bars, self.reader, self._group
        known = reader.table.runs[self.joined]
        key = (
            text if group is None
            else (text, group.actual, group.normal, group.notes, group.position)
        )  # fmt: skip
        made = None if reader.tied else known.get(key)
        if made is None:
            reader.faulty = False
            event = self._event(text, offset)
            made = Made((event,), in_steps(event.duration), reader.table)
            if reader.faulty:
                self._faulty = True
            elif not reader.tied:
                RUNS.keep(known, key, made)
            reader.tied = {}
        (event,), steps, reader.table = made
        if group is not None:
            group.position += 1
            if group.position == group.notes:
                self._group = None
        if self._broken is not None:
            duration = self._break(event.duration)
            event, steps = with_duration(event, duration), in_steps(duration)
        bars.items.append(event)
        bars.steps += steps
        self.notes += 1
        self.joined = True

    def _event(self, text: str, offset: int) -> Event:
        """A note or rest, alone or in its tuplet."""
        group = self._group
        if text[0] in "zx":
            duration = self.reader.duration(text[1:], offset + 1)
            if group is None:
                return Rest(duration, text[0] == "z")
            return Rest(group.shorten(duration), text[0] == "z", 0, group.member())
        note = self.reader.note(text, offset, joined=self.joined)
        if group is None:
            return note
        return note._replace(duration=group.shorten(note.duration), tuplet=group.member())

    def chord(self, notes: list[Note], length: Fraction, offset: int) -> None:
        """Add a chord; ``length`` multiplies its notes' own durations.

        "All the notes within a chord should normally have the same length, but if not, the chord
        duration is that of the first note" (4.17).
        """
        written = notes[0].duration
        if any(note.duration != written for note in notes):
            self._report(
                "chord",
                Severity.WARNING,
                "the notes of a chord should be equally long; all take the first one's length",
                offset,
                1,
            )
        duration, tuplet, attached = self._take(written * length)
        inner = tuple([note._replace(duration=duration) for note in notes])
        self._add(Chord(inner, duration, self.joined, tuplet, attached), offset)
        self.reader.tie(note for note in inner if note.tie)

    def bar_rest(self, bars: int, visible: bool, offset: int) -> None:
        """Add ``bars`` bars of rest, ``Z`` or ``X`` (4.5)."""
        duration = (self.bars.meter.duration or _ONE) * bars
        self._add(Rest(duration, visible, bars, None, self._attached()), offset)

    def _add(self, event: Event, offset: int) -> None:
        self.bars.add(event, offset)
        self.bars.steps += in_steps(event.duration)
        self.notes += 1
        self.joined = True
        self.reader.tied = {}

    def _take(self, duration: Fraction) -> tuple[Fraction, Tuplet | None, Attached]:
        """Apply what waits for the next event, whose length as written is ``duration``.

        Returns:
            Its sounding duration, its tuplet, and what hangs on it.
        """
        tuplet, group = None, self._group
        if group is not None:
            duration = group.shorten(duration)
            tuplet = group.member()
            group.position += 1
            if group.position == group.notes:
                self._group = None
        if self._broken is not None:
            duration = self._break(duration)
        return duration, tuplet, self._attached()

    def _attached(self) -> Attached:
        pending, self._pending = self._pending, None
        return PLAIN if pending is None else pending.attached()

    def change(self, item: Item, offset: int) -> None:
        """Add something that takes no time."""
        self.bars.add(item, offset)

    def spacer(self, offset: int) -> None:
        """Add a ``y``, which carries what stands before it."""
        self.bars.add(Spacer(self._attached()), offset)

    # -- marks before a note

    def wait(self) -> Pending:
        """Where to put what the next event will carry."""
        if self._pending is None:
            self._pending = Pending([], [], [])
        return self._pending

    def tuplet(self, actual: int, normal: int, notes: int, offset: int) -> None:
        """Begin a tuplet (4.13)."""
        self._check_group()
        self._group = Group(actual, normal, notes, offset)

    def _check_group(self) -> None:
        group = self._group
        if group is not None:
            self._report(
                "tuplet",
                Severity.WARNING,
                f"this tuplet has {group.position} of its {group.notes} notes",
                group.offset,
                2,
            )
            self._group = None

    # -- marks after a note

    def _last(self) -> tuple[int, Event] | None:
        """The bar's last event and its index, if only marks that take no time follow it."""
        items = self.bars.items
        for index in range(len(items) - 1, max(-1, len(items) - 9), -1):
            item = items[index]
            if isinstance(item, Note | Chord | Rest):
                return index, item
        return None

    def tie(self) -> bool:
        """Tie the last note or chord to the next; False if none is there."""
        last = self._last()
        if last is None:
            return False
        index, event = last
        if isinstance(event, Rest):
            return False
        if isinstance(event, Note):
            self.reader.tie((event,))
            self.bars.items[index] = event._replace(tie=True)
        else:
            self.reader.tie(event.notes)
            notes = tuple([note._replace(tie=True) for note in event.notes])
            self.bars.items[index] = event._replace(notes=notes)
        return True

    def close_slur(self) -> bool:
        """End a slur on the last event; False if none is there."""
        last = self._last()
        if last is None:
            return False
        index, event = last
        self.bars.items[index] = with_attached(event, with_slur_closed(event.attached))
        return True

    def broken(self, marks: str, offset: int) -> bool:
        """Put ``>`` or ``<`` between the last event and the next (4.4); False if none is last."""
        last = self._last()
        if last is None or self._broken is not None:
            return False
        self._broken = Broken(last[0], marks, offset)
        return True

    def _break(self, duration: Fraction) -> Fraction:
        """Share time between the event before ``>`` or ``<`` and one of this duration after it."""
        broken, self._broken = self._broken, None
        if broken is None:
            return duration
        items = self.bars.items
        event = items[broken.index]
        if not isinstance(event, Note | Chord | Rest) or event.duration != duration:
            # "Between notes of unequal lengths [it] will produce undefined results" (4.4).
            self._faulty = True
            self._report(
                "broken-rhythm",
                Severity.WARNING,
                "broken rhythm joins two notes of equal length; these differ and stay as written",
                broken.offset,
                len(broken.marks),
            )
            return duration
        longer, shorter, gained = broken.shares(duration)
        items[broken.index] = with_duration(event, longer)
        self.bars.steps += in_steps(gained)
        return shorter

    # -- bars

    def overlay(self) -> bool:
        """Begin another layer of this bar (7.4); False if there is nothing to lay it over."""
        self._settle()
        if not self.bars.overlay():
            return False
        self.reader.begin_bar()
        return True

    def bar(
        self, line: BarLine, offset: int, ending: tuple[int, ...] = (), ending_text: str = ""
    ) -> None:
        """End the bar with ``line``; ``ending`` is that of the music after it."""
        if self._broken or self._pending:
            self._settle()
        self.bars.end(line, offset, ending, ending_text)
        self.reader.begin_bar()
        self.joined = False

    def open_repeat(self, offset: int) -> bool:
        """Take a ``:`` set apart from its bar line as the dots of ``|:``; False within a bar."""
        if not self.bars.is_empty():
            return False
        self.bar(BarLine("thin", 0, 2), offset)
        return True

    def _settle(self) -> None:
        """Nothing waits for a note across a bar line, but what is meant for the line itself."""
        broken, pending = self._broken, self._pending
        if broken is not None:
            self._report(
                "broken-rhythm",
                Severity.WARNING,
                "broken rhythm joins two notes of one bar; no note follows in this one",
                broken.offset,
                len(broken.marks),
            )
            self._broken = None
        if pending is not None and pending.graces is None and not pending.slurs:
            self.bars.items.append(Spacer(self._attached()))

    def finish(self, offset: int) -> Voice:
        """End the voice; reports what is wrong with its bars."""
        self._check_group()
        self._settle()
        bars = self.bars.finish(offset, self._report)
        return Voice(self.id, self.name, self.clef, bars)
