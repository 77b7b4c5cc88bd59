"""Builds one voice from notes, marks and bar lines as the parser meets them.

What its notes stand for is a :class:`NoteReader`'s to say, its bars a :class:`BarBuilder`'s, what
waits for a note is held by :class:`OpenMarks`. Here they come together.
"""

from __future__ import annotations

from fractions import Fraction

from seqgen.music.abc.bar_builder import BarBuilder
from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import Kind
from seqgen.music.abc.marked_notes import read_note, read_notes, report_tie
from seqgen.music.abc.music_line import READINGS, MusicLine, NotePart
from seqgen.music.abc.note_reader import NoteReader
from seqgen.music.abc.open_marks import OpenMarks
from seqgen.music.abc.runs import Made
from seqgen.music.abc.values import in_steps, shortened
from seqgen.music.abc.waiting import together, with_attached, with_duration, with_slur_closed
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    EVENTS,
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
        open: what waits for its next notes.
    """

    __slots__ = ("bars", "clef", "id", "name", "notes", "open", "reader", "report")

    def __init__(
        self, voice_id: str, clef: Clef, key: Key, meter: Meter, unit: Fraction, report: Report
    ) -> None:
        self.id = voice_id
        self.name = ""
        self.clef = clef
        self.notes = 0
        self.reader = NoteReader(key, unit, clef, report)
        self.bars = BarBuilder(meter)
        self.open = OpenMarks(self.reader, self.bars)
        self.report = report

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
        bars, reader, waiting = self.bars, self.reader, self.open
        texts, offsets, end = line.texts, line.offsets, line.end
        while index < end:
            if waiting.pending is None and waiting.broken is None:
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
                if waiting.broken or waiting.pending:
                    waiting.settle()
                bar_line, passes, blanks = bar
                bars.end(bar_line, offsets[index] + blanks, passes, "")
                reader.begin_bar()
            elif kind is _NOTES:
                if bars.offset < 0:
                    bars.offset = offsets[index] + parts[0][4]
                if waiting.pending is None and waiting.broken is None:
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
        waiting = self.open
        pending, waiting.pending = waiting.pending, None
        if waiting.broken is not None:
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
                self.open.begin_broken(part[2], offset + part[4])
                continue
            event, steps = read_note(self.reader, part, offset)
            shorter, lost = self.open.share(event.duration)
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
        self._add(Rest(duration, visible, bars, None, self.open.take()), offset)
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
        duration, _ = self.open.share(duration)
        return duration, tuplet, self.open.take()

    def change(self, item: Item, offset: int) -> None:
        """Add something that takes no time."""
        self.bars.add(item, offset)

    def spacer(self, offset: int) -> None:
        """Add a ``y``, which carries what stands before it."""
        self.bars.add(Spacer(self.open.take()), offset)

    # -- marks after a note

    def tie(self, offset: int) -> None:
        """Tie the last note or chord to the next."""
        index, event = self.bars.last_of_layer() or (0, None)
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
        last = self.bars.last_of_layer()
        if last is None:
            return False
        index, event = last
        self.bars.items[index] = with_attached(event, with_slur_closed(event.attached))
        return True

    # -- bars

    def overlay(self) -> bool:
        """Begin another layer of this bar (7.4); False if there is nothing to lay it over."""
        self.open.settle()
        if not self.bars.overlay():
            return False
        self.reader.begin_layer()
        return True

    def bar(
        self, line: BarLine, offset: int, ending: tuple[int, ...] = (), ending_text: str = ""
    ) -> None:
        """End the bar with ``line``; ``ending`` is that of the music after it."""
        self.open.settle()
        self.bars.end(line, offset, ending, ending_text)
        self.reader.begin_bar()

    def open_repeat(self, offset: int) -> bool:
        """Take a ``:`` set apart from its bar line as the dots of ``|:``; False within a bar."""
        if not self.bars.is_empty():
            return False
        self.bar(BarLine("thin", 0, 2), offset)
        return True

    def finish(self, offset: int) -> Voice:
        """End the voice; reports what is wrong with its bars."""
        self.open.end_tuplet()
        self.open.settle()
        bars = self.bars.finish(offset, self.report)
        return Voice(self.id, self.name, self.clef, bars)
