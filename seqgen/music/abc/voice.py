"""Builds one voice's bars from notes, lengths and bar lines as the parser meets them.

Lengths become exact durations here, accidentals pitches, and each finished bar is compared with its
metre. Durations are looked up by their text, and a bar's sum is kept as two integers: a collection
has millions of notes and few different lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import cast

from seqgen.music.abc.bars import BarStart, OpenBar, Report, check_bars
from seqgen.music.abc.lexer import notes_of
from seqgen.music.abc.runs import RUNS
from seqgen.music.abc.values import parse_length, parse_note
from seqgen.music.diagnostics import Severity
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
    LineBreak,
    Meter,
    Note,
    Pitch,
    Rest,
    Spacer,
    Tuplet,
    Voice,
    pitch,
)

__all__ = ["Pending", "VoiceBuilder"]

_ONE = Fraction(1)
_ZERO = Fraction(0)
# Nearly every duration is a whole number of these steps of a whole note, so bars sum as integers.
_GRID = 2**14 * 3**2 * 5 * 7
_LENGTHS: dict[int, Fraction] = {}


# Of products a collection needs few. They are looked up by integers: Fractions hash and multiply
# slowly.
@lru_cache(maxsize=1 << 12)
def _product(numerator: int, denominator: int, by: int, over: int) -> Fraction:
    return Fraction(numerator * by, denominator * over)


@lru_cache(maxsize=1 << 12)
def _shares(
    numerator: int, denominator: int, before: int, after: int, parts: int
) -> tuple[Fraction, Fraction, Fraction]:
    """Broken rhythm: what two notes of a duration get, and what the first has then gained."""
    duration = Fraction(numerator, denominator)
    return (
        duration * Fraction(before, parts),
        duration * Fraction(after, parts),
        duration * Fraction(before - parts, parts),
    )


def _on_grid(duration: Fraction) -> int | None:
    steps, rest = divmod(duration.numerator * _GRID, duration.denominator)
    return None if rest else steps


_SLURS = tuple(Attached(slurs_open=count) for count in range(4))


@dataclass(slots=True)
class Pending:
    """What stands before a note and waits for it."""

    decorations: list[str]
    chord_symbols: list[str]
    annotations: list[str]
    graces: Graces | None = None
    slurs: int = 0

    def attached(self) -> Attached:
        """All of it, as it hangs on the note."""
        if not (self.decorations or self.chord_symbols or self.annotations or self.graces):
            return (
                _SLURS[self.slurs] if self.slurs < len(_SLURS) else Attached(slurs_open=self.slurs)
            )
        return Attached(
            tuple(self.decorations),
            tuple(self.chord_symbols),
            tuple(self.annotations),
            self.graces,
            self.slurs,
        )


@dataclass(slots=True)
class _Broken:
    """A broken rhythm that waits for its second note; ``index`` is that of its first."""

    index: int
    before: int  # in parts of the length that both have as written
    after: int
    parts: int
    offset: int
    length: int


@dataclass(slots=True)
class _Group:
    """A tuplet that still takes notes."""

    actual: int
    normal: int
    notes: int
    offset: int
    position: int = 0


class VoiceBuilder:
    """One voice as it is read. The parser sets ``unit``, ``key`` and ``meter`` by the setters."""

    __slots__ = (
        "_alters",
        "_bars",
        "_broken",
        "_clef_octave",
        "_durations",
        "_ending",
        "_ending_text",
        "_group",
        "_layers",
        "_left",
        "_offset",
        "_report",
        "_signature",
        "_sum",
        "_sum_beyond",
        "_table",
        "_tables",
        "_tied",
        "clef",
        "id",
        "items",
        "joined",
        "key",
        "line_bar",
        "line_item",
        "meter",
        "name",
        "notes",
        "pending",
        "propagate",
        "unit",
    )

    def __init__(self, voice_id: str, key: Key, meter: Meter, unit: Fraction, report: Report):
        self.id = voice_id
        self.name = ""
        self.clef = Clef()
        self.notes = 0
        self.items: list[Item] = []
        self.joined = False
        self.pending: Pending | None = None
        self.propagate = "pitch"
        self.line_bar = self.line_item = 0
        self.meter = meter
        self._report = report
        self._layers: list[tuple[list[Item], Fraction]] = []
        self._bars: list[OpenBar] = []
        self._left = BarStart
        self._ending: tuple[int, ...] = ()
        self._ending_text = ""
        self._offset = -1
        self._sum = 0
        self._sum_beyond = _ZERO
        self._broken: _Broken | None = None
        self._group: _Group | None = None
        self._tied: dict[tuple[str, int], int] = {}
        self._clef_octave = 0
        self._durations: dict[str, tuple[Fraction, int | None]] = {}
        self.unit = unit
        self.set_key(key)
        self.set_unit(unit)

    # -- what the fields set

    def set_key(self, key: Key) -> None:
        """Change the key signature from here on."""
        self.key = key
        self._signature = dict(key.alters)
        self._alters: dict[str, int] = {}
        self._choose_tables()

    def set_unit(self, unit: Fraction) -> None:
        """Change the unit note length from here on."""
        self.unit = unit
        self._durations = {}
        self._choose_tables()

    def set_clef(self, clef: Clef) -> None:
        """Change the clef: its octave (``octave=``) shifts what is written from here on."""
        self._clef_octave = clef.octave
        self._choose_tables()
        if not self.notes:
            self.clef = clef

    def set_propagation(self, spread: str) -> None:
        """Change which notes an accidental holds for: ``not``, ``octave`` or ``pitch`` (11.3)."""
        self.propagate = spread
        self._choose_tables()

    def _choose_tables(self) -> None:
        """Take up the tables of notes for this key, unit, clef and spreading of accidentals."""
        unit = self.unit
        self._tables = RUNS.tables(
            (self.key.alters, unit.numerator, unit.denominator, self._clef_octave, self.propagate)
        )
        self._choose_table()

    def _choose_table(self) -> None:
        """Take up the table for the accidentals written in this bar."""
        self._table = RUNS.table(self._tables, tuple(sorted(self._alters.items())))

    def change(self, item: Item, offset: int) -> None:
        """Add something that takes no time."""
        if self._offset < 0:
            self._offset = offset
        self.items.append(item)

    # -- notes and rests

    def _resolve(self, step: str, accidental: int | None, octave: int) -> tuple[Pitch, int | None]:
        """A written pitch as it sounds, by key signature and bar, and its written accidental."""
        octave += self._clef_octave
        name = step if self.propagate == "pitch" else f"{step}{octave}"
        if accidental is not None:
            if self.propagate != "not":
                self._alters[name] = accidental
                self._choose_table()
            return pitch(step, accidental, octave), accidental
        alter = self._alters.get(name)
        if alter is None:
            alter = self._signature.get(step, 0)
            if self._tied:
                # A tie carries the accidental over the bar line, to this note only.
                alter = self._tied.get((step, octave), alter)
        return pitch(step, alter, octave), None

    def written(self, text: str, offset: int) -> Note:
        """The note that its text stands for, before broken rhythm and tuplet."""
        step, accidental, octave, length = parse_note(text)
        sounding, accidental = self._resolve(step, accidental, octave)
        duration, _ = self._measure(length, offset + len(text) - len(length))
        return Note(sounding, accidental, duration)

    def length(self, text: str, offset: int) -> Fraction:
        """The duration a length stands for, before broken rhythm and tuplet."""
        return self._measure(text, offset)[0]

    def _measure(self, text: str, offset: int) -> tuple[Fraction, int | None]:
        """A length's duration, and that in 1/_GRID of a whole note if it is a whole number.

        None also where the length means nothing, so that its note is made, and reported, anew.
        """
        found = self._durations.get(text)
        if found is None:
            duration = self.unit
            if text:
                try:
                    duration *= parse_length(text)
                    found = (duration, _on_grid(duration))
                except ValueError as error:
                    self._report("length", Severity.ERROR, f"{error}", offset, len(text))
                    found = (duration, None)
            else:
                found = (duration, _on_grid(duration))
            if len(self._durations) < 1 << 12:
                self._durations[text] = found
        return found

    def add_notes(self, run: str, offset: int) -> None:
        """Add the notes of a NOTES lexeme."""
        if self._offset < 0:
            self._offset = offset
        table, joined = self._table, self.joined
        plain = not (self.pending or self._broken or self._group or self._tied)
        if plain:
            # Nearly every run: one that was met before, and that nothing waits for.
            made = table[joined].get(run)
            if made is not None:
                self.items += made[0]
                self._sum += made[1]
                self.notes += len(made[0])
                self.joined = True
                return
        before, steps, beyond = len(self.items), self._sum, self._sum_beyond
        for text, at, apart in notes_of(run):
            if apart:
                self.joined = False
            self._note(text, offset + at)
        known = table[joined]
        as_it_was = self._table is table and self._sum_beyond is beyond
        if plain and as_it_was:
            notes = tuple(cast("list[Note]", self.items[before:]))
            RUNS.keep(known, run, notes, self._sum - steps)

    def _note(self, text: str, offset: int) -> None:
        """Add a note, whatever waits for it."""
        group, tied = self._group, self._tied
        table = self._table[self.joined]
        key = (
            text if group is None
            else (text, group.actual, group.normal, group.notes, group.position)
        )  # fmt: skip
        made = None if tied else table.get(key)
        if made is None:
            step, accidental, octave, length = parse_note(text)
            sounding, accidental = self._resolve(step, accidental, octave)
            duration, steps = self._measure(length, offset + len(text) - len(length))
            tuplet = None
            if group is not None:
                duration = _product(
                    duration.numerator, duration.denominator, group.normal, group.actual
                )
                tuplet = Tuplet(group.actual, group.normal, group.notes, group.position)
                steps = None if steps is None else _on_grid(duration)
            note = Note(sounding, accidental, duration, False, self.joined, tuplet)
            if steps is not None and accidental is None and not tied:
                RUNS.keep(table, key, (note,), steps)
        else:
            (note,), steps = made
        if group is not None:
            group.position += 1
            if group.position == group.notes:
                self._group = None
        if self._broken is not None:
            duration = self._break(note.duration)
            note = Note(note.pitch, note.accidental, duration, False, note.joined, note.tuplet)
            steps = _on_grid(duration)
        if self.pending is not None:
            note = Note(*note[:6], self.pending.attached())
            self.pending = None
        self.items.append(note)
        self.notes += 1
        self.joined = True
        if tied:
            self._tied = {}
        if steps is None:
            self._sum_beyond += note.duration
        else:
            self._sum += steps

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
        inner = tuple(note._replace(duration=duration) for note in notes)
        self.items.append(Chord(inner, duration, self.joined, tuplet, attached))
        self._timed(duration, offset)
        self._remember_tie(tuple(note for note in inner if note.tie))

    def rest(self, length: str, visible: bool, offset: int) -> None:
        """Add a rest ``z`` or ``x``."""
        duration, tuplet, attached = self._take(self.length(length, offset + 1))
        self.items.append(Rest(duration, visible, 0, tuplet, attached))
        self._timed(duration, offset)

    def bar_rest(self, bars: int, visible: bool, offset: int) -> None:
        """Add ``bars`` bars of rest, ``Z`` or ``X`` (4.5)."""
        attached = PLAIN
        if self.pending is not None:
            attached, self.pending = self.pending.attached(), None
        duration = (self.meter.duration or _ONE) * bars
        self.items.append(Rest(duration, visible, bars, None, attached))
        self._timed(duration, offset)

    def _timed(self, duration: Fraction, offset: int) -> None:
        """Account for an event that was just added."""
        self.notes += 1
        self.joined = True
        if self._tied:
            self._tied = {}
        if self._offset < 0:
            self._offset = offset
        self._add(duration)

    def _add(self, duration: Fraction) -> None:
        steps = _on_grid(duration)
        if steps is None:
            self._sum_beyond += duration
        else:
            self._sum += steps

    def _length_so_far(self) -> Fraction:
        length = _LENGTHS.get(self._sum)
        if length is None:
            length = Fraction(self._sum, _GRID)
            if len(_LENGTHS) < 1 << 12:
                _LENGTHS[self._sum] = length
        return length + self._sum_beyond if self._sum_beyond else length

    def _begin_sum(self) -> None:
        self._sum = 0
        self._sum_beyond = _ZERO

    def _take(self, duration: Fraction) -> tuple[Fraction, Tuplet | None, Attached]:
        """Apply what waits for the next event, whose length as written is ``duration``.

        Returns:
            Its sounding duration, its tuplet, and what hangs on it.
        """
        tuplet, attached = None, PLAIN
        group = self._group
        if group is not None:
            duration = _product(
                duration.numerator, duration.denominator, group.normal, group.actual
            )
            tuplet = Tuplet(group.actual, group.normal, group.notes, group.position)
            group.position += 1
            if group.position == group.notes:
                self._group = None
        if self._broken is not None:
            duration = self._break(duration)
        if self.pending is not None:
            attached, self.pending = self.pending.attached(), None
        return duration, tuplet, attached

    def wait(self) -> Pending:
        """Where to put what the next event will carry."""
        if self.pending is None:
            self.pending = Pending([], [], [])
        return self.pending

    # -- marks after a note

    def last(self) -> int | None:
        """The index of the bar's last event, if nothing but marks that take no time follow it."""
        items = self.items
        if items and type(items[-1]) is Note:
            return len(items) - 1
        for index in range(len(items) - 1, max(-1, len(items) - 9), -1):
            if isinstance(items[index], Note | Chord | Rest):
                return index
        return None

    def tie(self) -> bool:
        """Tie the last note or chord to the next; False if none is there."""
        index = self.last()
        event = self.items[index] if index is not None else None
        if isinstance(event, Note):
            tied: Note | Chord = event._replace(tie=True)
            notes: tuple[Note, ...] = (event,)
        elif isinstance(event, Chord):
            notes = tuple(note._replace(tie=True) for note in event.notes)
            tied = event._replace(notes=notes)
        else:
            return False
        self.items[index or 0] = tied
        self._remember_tie(notes)
        return True

    def _remember_tie(self, notes: tuple[Note, ...]) -> None:
        for note in notes:
            self._tied[note.pitch.step, note.pitch.octave] = note.pitch.alter

    def close_slur(self) -> bool:
        """End a slur on the last event; False if none is there."""
        index = self.last()
        if index is None:
            return False
        event = self.items[index]
        if not isinstance(event, Note | Chord | Rest):
            return False
        attached = event.attached._replace(slurs_close=event.attached.slurs_close + 1)
        self.items[index] = event._replace(attached=attached)
        return True

    def broken(self, marks: str, offset: int) -> bool:
        """Put ``>`` or ``<`` between the last event and the next (4.4); False if none is last."""
        index = self.last()
        if index is None or self._broken is not None:
            return False
        parts = 2 ** len(marks)
        before, after = (2 * parts - 1, 1) if marks[0] == ">" else (1, 2 * parts - 1)
        self._broken = _Broken(index, before, after, parts, offset, len(marks))
        return True

    def _break(self, duration: Fraction) -> Fraction:
        """Share time between the event before ``>`` or ``<`` and one of this duration after it."""
        broken = self._broken
        self._broken = None
        if broken is None:
            return duration
        event = self.items[broken.index]
        if not isinstance(event, Note | Chord | Rest) or event.duration != duration:
            # "Between notes of unequal lengths [it] will produce undefined results" (4.4).
            self._report(
                "broken-rhythm",
                Severity.WARNING,
                "broken rhythm joins two notes of equal length; these differ and stay as written",
                broken.offset,
                broken.length,
            )
            return duration
        longer, shorter, added = _shares(
            duration.numerator, duration.denominator, broken.before, broken.after, broken.parts
        )
        if isinstance(event, Chord):
            inner = tuple([note._replace(duration=longer) for note in event.notes])
            self.items[broken.index] = event._replace(notes=inner, duration=longer)
        elif isinstance(event, Note):
            self.items[broken.index] = Note(event[0], event[1], longer, *event[3:])
        else:
            self.items[broken.index] = event._replace(duration=longer)
        self._add(added)
        return shorter

    def tuplet(self, actual: int, normal: int, notes: int, offset: int) -> None:
        """Begin a tuplet (4.13)."""
        self._check_group()
        self._group = _Group(actual, normal, notes, offset)

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

    # -- bars

    def overlay(self, offset: int) -> None:
        """Begin another layer of this bar (7.4)."""
        self._settle(offset)
        if not self._layers and not self._sum and self._is_empty():
            message = "this & has no notes of its bar before it to lay others over, and is ignored"
            self._report("overlay", Severity.WARNING, message, offset, 1)
            return
        self._layers.append((self.items, self._length_so_far()))
        self.items = []
        self._begin_sum()
        self._alters = {}
        self._choose_table()

    def bar(
        self, line: BarLine, offset: int, ending: tuple[int, ...] = (), ending_text: str = ""
    ) -> None:
        """End the bar with ``line``; ``ending`` is that of the music after it."""
        self._settle(offset)
        if not self._sum and not self._layers and not self._ending and self._is_empty():
            self._merge(line)
        else:
            self._close(line, offset)
        if ending or ending_text:
            self._ending, self._ending_text = ending, ending_text
        if self._offset < 0 and (ending or ending_text):
            self._offset = offset
        if self._alters:
            self._alters = {}
            self._choose_table()
        self.joined = False

    def open_repeat(self, offset: int) -> bool:
        """Take a ``:`` set apart from its bar line as the dots of ``|:``; False within a bar."""
        if self._sum or self._layers or self._ending or not self._is_empty():
            return False
        self.bar(BarLine("thin", 0, 2), offset)
        return True

    def _settle(self, offset: int) -> None:
        """Nothing waits for a note across a bar line, but what is meant for the line itself."""
        if self._broken is not None:
            self._report(
                "broken-rhythm",
                Severity.WARNING,
                "broken rhythm joins two notes of one bar; no note follows in this one",
                self._broken.offset,
                self._broken.length,
            )
            self._broken = None
        if self.pending is not None and self.pending.graces is None and not self.pending.slurs:
            self.items.append(Spacer(self.pending.attached()))
            self.pending = None

    def _is_empty(self) -> bool:
        return all(isinstance(item, LineBreak) for item in self.items)

    def _merge(self, line: BarLine) -> None:
        """Two bar lines with nothing between them are one."""
        left = self._left
        styles = ("none", "invisible", "dotted", "thin", "double", "start", "final")
        style = max(left.style, line.style, key=styles.index)
        merged = BarLine(style, max(left.closes, line.closes), max(left.opens, line.opens))
        self._left = merged
        if self._bars:
            self._bars[-1].right = merged

    def _close(self, line: BarLine, offset: int) -> None:
        start = offset if self._offset < 0 else self._offset
        layers = [*self._layers, (self.items, self._length_so_far())]
        self._bars.append(
            OpenBar(
                self._left, line, layers, self._ending, self._ending_text, start, offset, self.meter
            )
        )
        self._left = line
        self.items = []
        self._layers = []
        self._ending, self._ending_text = (), ""
        self._offset = -1
        self._begin_sum()

    def begin_line(self) -> None:
        """Here a line of music begins, to which following lyrics belong."""
        self.line_bar, self.line_item = len(self._bars), len(self.items)

    def ends_line(self) -> bool:
        """Whether a line break is the last thing that was added, or nothing was."""
        if self.items:
            return isinstance(self.items[-1], LineBreak)
        return not self._bars

    def spacer(self, offset: int) -> None:
        """Add a ``y``, which carries what stands before it."""
        attached = PLAIN
        if self.pending is not None:
            attached, self.pending = self.pending.attached(), None
        self.change(Spacer(attached), offset)

    def line_layers(self) -> list[tuple[list[Item], int]]:
        """The items of each bar since that line began, and where in the first it began."""
        open_items = self._layers[0][0] if self._layers else self.items
        layers = [bar.layers[0][0] for bar in self._bars[self.line_bar :]]
        return [
            (items, self.line_item if index == 0 else 0)
            for index, items in enumerate([*layers, open_items])
        ]

    def finish(self, offset: int) -> Voice:
        """End the voice; reports what is wrong with its bars."""
        self._check_group()
        self._settle(offset)
        while self.items and isinstance(self.items[-1], LineBreak):
            self.items.pop()
        if self.items or self._layers or self._ending:
            self._close(BarLine("none"), offset)
        check_bars(self._bars, self._report)
        bars = tuple(
            Bar(
                bar.left,
                bar.right,
                tuple(bar.layers[0][0]),
                tuple(tuple(items) for items, _ in bar.layers[1:]) if len(bar.layers) > 1 else (),
                bar.ending,
                bar.ending_text,
                bar.offset,
            )
            for bar in self._bars
        )
        return Voice(self.id, self.name, self.clef, bars)
