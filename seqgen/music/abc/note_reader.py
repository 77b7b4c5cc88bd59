"""What written notes and rests stand for: by key, clef and unit, and by accidentals and ties.

Lengths become exact durations here and letters pitches. Both are looked up by their text: a
collection has millions of notes and few different ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from seqgen.music.abc.bars import Report
from seqgen.music.abc.runs import RUNS, Made, Table
from seqgen.music.abc.values import Steps, measured, parse_note, shortened
from seqgen.music.diagnostics import Severity
from seqgen.music.score import PLAIN, Clef, Key, Note, Pitch, Rest, Tuplet, pitch

__all__ = ["NoteReader"]

_START = Table({}, {}, None, False)


class NoteReader:
    """Reads the notes of one voice.

    Args:
        key, unit, clef: in force at the voice's beginning.
        report: where diagnostics go.

    Attributes:
        table: what is known in the state that all that was read has led to.
        faulty: set when what is read is reported, and must be again; whoever reads resets it.
        unit: the unit note length in force.
    """

    __slots__ = (
        "_key",
        "_octave",
        "_propagate",
        "_ratio",
        "_reported",
        "_signature",
        "_tables",
        "faulty",
        "report",
        "table",
        "unit",
    )

    def __init__(self, key: Key, unit: Fraction, clef: Clef, report: Report) -> None:
        self._key = key
        self._signature = dict(key.alters)
        self._octave = clef.octave
        self._propagate = "pitch"
        self.report = report
        self._reported: set[str] = set()  # lengths that mean nothing
        self.unit = unit
        self.faulty = False
        self._choose_tables(_START)

    # -- what the fields set

    def set_key(self, key: Key, tied: Iterable[Note]) -> None:
        """Change the key signature from here on; ``tied`` are the notes tied to the next event."""
        self._key = key
        self._signature = dict(key.alters)
        self._choose_tables(Table({}, {}, self.table.group, self.table.joined))
        self.tie(tied)

    def set_unit(self, unit: Fraction) -> None:
        """Change the unit note length from here on."""
        self.unit = unit
        self._reported = set()
        self._choose_tables(self.table)

    def set_clef(self, clef: Clef) -> None:
        """Change the clef: its octave (``octave=``) shifts what is written from here on."""
        self._octave = clef.octave
        self._choose_tables(self.table)

    def set_propagation(self, spread: str) -> None:
        """Change which notes an accidental holds for: ``not``, ``octave`` or ``pitch`` (11.3)."""
        self._propagate = spread
        self._choose_tables(self.table)

    def _choose_tables(self, state: Table) -> None:
        """Take up the tables for this key, unit, clef and spreading of accidentals."""
        unit = self.unit
        self._ratio = numerator, denominator = unit.numerator, unit.denominator
        self._tables = RUNS.tables(
            (self._key.alters, numerator, denominator, self._octave, self._propagate)
        )
        self._go(state.alters, state.tied, state.group, state.joined)

    # -- states

    def _go(
        self,
        alters: Mapping[str, int],
        tied: Mapping[tuple[str, int], int],
        group: Tuplet | None,
        joined: bool,
    ) -> Table:
        self.table = RUNS.table(self._tables, alters, tied, group, joined)
        return self.table

    def begin_layer(self) -> None:
        """Forget the accidentals, which hold to the end of their bar."""
        table = self.table
        self._go({}, table.tied, table.group, table.joined)

    def begin_bar(self) -> None:
        """Forget the accidentals; what follows is not joined to what is before the bar line."""
        table = self.table
        if table.at_bar is None:
            table.at_bar = self._go({}, table.tied, table.group, False)
        self.table = table.at_bar

    def part(self) -> None:
        """What follows is not joined to what was before."""
        table = self.table
        if table.joined:
            if table.apart is None:
                table.apart = self._go(table.alters, table.tied, table.group, False)
            self.table = table.apart

    def follow(self) -> None:
        """Go on after an event: nothing is tied to the next, which is joined to it."""
        table = self.table
        if table.follows is None:
            group = table.group
            if group is not None:
                position = group.position + 1
                group = group._replace(position=position) if position < group.notes else None
            table.follows = self._go(table.alters, {}, group, True)
        self.table = table.follows

    def begin_group(self, group: Tuplet | None) -> None:
        """Let a tuplet begin or, with None, end before the next event."""
        table = self.table
        self._go(table.alters, table.tied, group, table.joined)

    def tie(self, notes: Iterable[Note]) -> None:
        """Let notes sound on in the next event."""
        table = self.table
        tied = dict(table.tied)
        for (step, alter, octave), *_ in notes:
            tied[step, octave] = alter
            if alter == self._signature.get(step, 0):
                del tied[step, octave]  # it sounds so anyway
        if tied != table.tied:
            self._go(table.alters, tied, table.group, table.joined)

    # -- notes

    def made(self, text: str, offset: int) -> Made:
        """What the text of a note or rest stands for in this state; goes on after it."""
        table = self.table
        made = table.get(text)
        if made is not None:
            self.table = made[2]
            return made
        event, steps = self._event(text, offset)
        self.follow()
        made = (event,), steps, self.table
        if not self.faulty:
            RUNS.keep(table, text, made)
        return made

    def _event(self, text: str, offset: int) -> tuple[Note | Rest, Steps]:
        """The note or rest that its text stands for in this state, and its length."""
        table = self.table
        group = table.group
        if text[0] in "zx":
            duration, steps = self.duration(text[1:], offset + 1)
            if group is not None:
                duration, steps = shortened(duration, group)
            return Rest(duration, text[0] == "z", 0, group), steps
        step, accidental, octave, length = parse_note(text)
        octave += self._octave
        if accidental is None and not table.alters and not table.tied:  # as of most notes
            sounding = pitch(step, self._signature.get(step, 0), octave)
        else:
            sounding = self._pitch(step, accidental, octave)
        duration, steps = self.duration(length, offset + len(text) - len(length))
        if group is not None:
            duration, steps = shortened(duration, group)
        # In half the time that Note() takes, which does the same in Python.
        note = tuple.__new__(
            Note, (sounding, accidental, duration, False, table.joined, group, PLAIN)
        )
        return note, steps

    def note(self, text: str, offset: int) -> Note:
        """The note that its text stands for in a chord or among grace notes."""
        step, accidental, octave, length = parse_note(text)
        sounding = self._pitch(step, accidental, octave + self._octave)
        duration, _ = self.duration(length, offset + len(text) - len(length))
        return Note(sounding, accidental, duration)

    def _pitch(self, step: str, accidental: int | None, octave: int) -> Pitch:
        """A written pitch as it sounds."""
        name = step if self._propagate == "pitch" else f"{step}{octave}"
        if accidental is not None:
            if self._propagate != "not":
                table = self.table
                alters = {**table.alters, name: accidental}
                self._go(alters, table.tied, table.group, table.joined)
            return pitch(step, accidental, octave)
        alter = self.table.alters.get(name)
        if alter is None:
            # A tie carries the accidental over the bar line, to this note only.
            alter = self.table.tied.get((step, octave), self._signature.get(step, 0))
        return pitch(step, alter, octave)

    def duration(self, length: str, offset: int) -> tuple[Fraction, Steps]:
        """What a length stands for, before broken rhythm and tuplet."""
        try:
            return measured(length, *self._ratio)
        except ValueError as error:
            self.faulty = True
            if length not in self._reported and len(self._reported) < 1 << 12:
                self._reported.add(length)
                self.report("length", Severity.ERROR, f"{error}", offset, len(length))
            return measured("", *self._ratio)
