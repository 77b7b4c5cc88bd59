"""Builds one voice from notes, marks and bar lines as the parser meets them.

What its notes stand for is a :class:`NoteReader`'s to say, its bars a :class:`BarBuilder`'s. Here
they come together with what waits for a note, and what is written after one.
"""

from __future__ import annotations

from fractions import Fraction

from seqgen.music.abc.bar_builder import BarBuilder
from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import Kind
from seqgen.music.abc.marked_notes import read_note, read_notes, report_tie, report_unequal
from seqgen.music.abc.music_line import (
    READINGS,
    MusicLine,
    NotePart,
)
from seqgen.music.abc.note_reader import NoteReader
from seqgen.music.abc.runs import Made
from seqgen.music.abc.values import Steps, in_steps, shortened
from seqgen.music.abc.waiting import (
    Broken,
    Pending,
    shares,
    together,
    with_attached,
    with_duration,
    with_slur_closed,
)
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    EVENTS,
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
_LETTERS = frozenset("ABCDEFGabcdefg")
_NOTES, _SPACE = Kind.NOTES, Kind.SPACE  # a name is found more quickly than an Enum's member


class VoiceBuilder:
    """One voice as it is read.

    Args:
        voice_id, clef, key, meter, unit: of the voice, in force at its beginning.
        report: where diagnostics go.

    Attributes:
        notes: how many notes, chords and rests it has.
        reader: says what its notes stand for, by what the fields have set.
        bars: its music.
    """

    __slots__ = (
        "_broken",
        "_group_offset",
        "_pending",
        "bars",
        "clef",
        "id",
        "name",
        "notes",
        "reader",
        "report",
    )

    def __init__(
        self, voice_id: str, clef: Clef, key: Key, meter: Meter, unit: Fraction, report: Report
    ) -> None:
        self.id = voice_id
        self.name = ""
        self.clef = clef
        self.notes = 0
        self.reader = NoteReader(key, unit, clef, report)
        self.bars = BarBuilder(meter)
        self.report = report
        self._pending: Pending | None = None
        self._broken: Broken | None = None
        self._group_offset = 0  # of the tuplet

    def set_key(self, key: Key) -> None:
        """Change the key signature from here on."""
        last = self.bars.last_event()
        notes = (last,) if isinstance(last, Note) else last.notes if isinstance(last, Chord) else ()
        self.reader.set_key(key, [note for note in notes if note.tie])

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

    def read(self, line: MusicLine, index: int) -> int:
        """Read notes, rests, bar lines and blanks from an index on; the index of what else comes.

        Here nearly all time goes: what every note or bar needs is written out in one place.
        """
        bars, reader = self.bars, self.reader
        texts, offsets, end = line.texts, line.offsets, line.end
        while index < end:
            if self._pending is None and self._broken is None:
                items, steps, table = bars.items, bars.steps, reader.table
                first, start = len(items), index
                # Nearly every note was met before. What is no note is in no table.
                while made := table.get(texts[index]):
                    events, more, table = made
                    items += events
                    steps += more
                    index += 1
                if index > start:
                    if bars.offset < 0:
                        bars.offset = offsets[start]
                        if texts[start][0] not in _LETTERS:  # but a blank or mark
                            bars.offset += READINGS[texts[start]][1][0][4]
                    self.notes += len(items) - first
                    bars.steps = steps
                    reader.table = table
                    if index == end:
                        break
            text = texts[index]
            kind, parts, bar = READINGS[text]
            if bar is not None:
                if self._broken or self._pending:
                    self._settle()
                bar_line, passes, blanks = bar
                bars.end(bar_line, offsets[index] + blanks, passes, "")
                reader.begin_bar()
            elif kind is _NOTES:
                if bars.offset < 0:
                    bars.offset = offsets[index] + parts[0][4]
                if self._pending is None and self._broken is None:
                    self._add_made(read_notes(reader, text, parts, offsets[index]))
                else:
                    self._read_waited(text, offsets[index], parts)
            elif kind is _SPACE:
                reader.part()
            else:
                break
            index += 1
        return index

    def _read_waited(self, text: str, offset: int, parts: tuple[NotePart, ...]) -> None:
        """Read NOTES for which a mark or a broken rhythm waits."""
        items = self.bars.items
        first = len(items)
        pending, self._pending = self._pending, None
        if self._broken is not None:
            self._read_broken(parts, offset)
        else:
            made = self.reader.table.get(text)
            self._add_made(made or read_notes(self.reader, text, parts, offset))
        event = items[first]
        if pending is not None and isinstance(event, EVENTS):
            items[first] = with_attached(event, together(pending.attached(), event.attached))

    def _read_broken(self, parts: tuple[NotePart, ...], offset: int) -> None:
        """Read NOTES for which a broken rhythm waits."""
        for part in parts:
            if part[1] is None:
                self.broken(part[2], offset + part[4])
                continue
            event, steps = read_note(self.reader, part, offset)
            shorter, lost = self._break(event.duration)
            self._add_made(((with_duration(event, shorter),), steps - lost, self.reader.table))

    def _add_made(self, made: Made) -> None:
        events, steps, self.reader.table = made
        self.bars.items += events
        self.bars.steps += steps
        self.notes += len(events)

    def chord(self, notes: list[Note], length: Fraction, offset: int) -> None:
        """Add a chord; ``length`` multiplies its notes' own durations.

        "All the notes within a chord should normally have the same length, but if not, the chord
        duration is that of the first note" (4.17).
        """
        written = notes[0].duration
        if any(note.duration != written for note in notes):
            self.report(
                "chord",
                Severity.WARNING,
                "the notes of a chord should be equally long; all take the first one's length",
                offset,
                1,
            )
        duration, tuplet, attached = self._take(written * length)
        inner = tuple([note._replace(duration=duration) for note in notes])
        self._add(Chord(inner, duration, self.reader.table.joined, tuplet, attached), offset)
        self.reader.tie([note for note in inner if note.tie])

    def bar_rest(self, bars: int, visible: bool, offset: int) -> None:
        """Add ``bars`` bars of rest, ``Z`` or ``X`` (4.5)."""
        duration = (self.bars.meter.duration or _ONE) * bars
        group = self.reader.table.group
        self._add(Rest(duration, visible, bars, None, self._attached()), offset)
        self.reader.begin_group(group)  # which it does not belong to

    def _add(self, event: Event, offset: int) -> None:
        self.bars.add(event, offset)
        self.bars.steps += in_steps(event.duration)
        self.notes += 1
        self.reader.follow()

    def _take(self, duration: Fraction) -> tuple[Fraction, Tuplet | None, Attached]:
        """Apply what waits for the next event, whose length as written is ``duration``.

        Returns:
            Its sounding duration, its tuplet, and what hangs on it.
        """
        tuplet = self.reader.table.group
        if tuplet is not None:
            duration, _ = shortened(duration, tuplet)
        if self._broken is not None:
            duration, _ = self._break(duration)
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
        self._group_offset = offset
        self.reader.begin_group(Tuplet(actual, normal, notes, 0))

    def _check_group(self) -> None:
        group = self.reader.table.group
        if group is not None:
            self.report(
                "tuplet",
                Severity.WARNING,
                f"this tuplet has {group.position} of its {group.notes} notes",
                self._group_offset,
                2,
            )
            self.reader.begin_group(None)

    # -- marks after a note

    def _last(self) -> tuple[int, Event] | None:
        """The bar's last event and its index, if only marks that take no time follow it."""
        items = self.bars.items
        for index in range(len(items) - 1, max(-1, len(items) - 9), -1):
            item = items[index]
            if isinstance(item, EVENTS):
                return index, item
        return None

    def tie(self, offset: int) -> None:
        """Tie the last note or chord to the next."""
        index, event = self._last() or (0, None)
        if isinstance(event, Note):
            self.reader.tie((event,))
            self.bars.items[index] = event._replace(tie=True)
        elif isinstance(event, Chord):
            self.reader.tie(event.notes)
            notes = tuple([note._replace(tie=True) for note in event.notes])
            self.bars.items[index] = event._replace(notes=notes)
        else:
            report_tie(self.reader, offset)

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

    def _break(self, duration: Fraction) -> tuple[Fraction, Steps]:
        """Share time between the event before ``>`` or ``<`` and one of this duration after it.

        Returns:
            The duration that the latter gets, and what it has lost.
        """
        broken, self._broken = self._broken, None
        if broken is None:
            return duration, 0
        items = self.bars.items
        event = items[broken.index]
        # Both are often one object, and fractions take long to compare.
        if not isinstance(event, EVENTS) or (
            event.duration is not duration and event.duration != duration
        ):
            report_unequal(self.reader, broken.marks, broken.offset)
            return duration, 0
        longer, shorter, gained = shares(duration, broken.marks)
        items[broken.index] = with_duration(event, longer)
        self.bars.steps += gained
        return shorter, gained

    # -- bars

    def overlay(self) -> bool:
        """Begin another layer of this bar (7.4); False if there is nothing to lay it over."""
        self._settle()
        if not self.bars.overlay():
            return False
        self.reader.begin_layer()
        return True

    def bar(
        self, line: BarLine, offset: int, ending: tuple[int, ...] = (), ending_text: str = ""
    ) -> None:
        """End the bar with ``line``; ``ending`` is that of the music after it."""
        if self._broken or self._pending:
            self._settle()
        self.bars.end(line, offset, ending, ending_text)
        self.reader.begin_bar()

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
            self.report(
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
        bars = self.bars.finish(offset, self.report)
        return Voice(self.id, self.name, self.clef, bars)
