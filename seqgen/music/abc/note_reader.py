"""What written notes and rests stand for: by key, clef and unit, and by accidentals and ties.

Lengths become exact durations here and letters pitches. Both are looked up by their text: a
collection has millions of notes and few different ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from seqgen.music.abc.bars import Report
from seqgen.music.abc.runs import RUNS
from seqgen.music.abc.values import parse_length, parse_note
from seqgen.music.diagnostics import Severity
from seqgen.music.score import Clef, Key, Note, Pitch, pitch

__all__ = ["NoteReader"]


class NoteReader:
    """Reads the notes of one voice.

    Args:
        key, unit, clef: in force at the voice's beginning.
        report: where diagnostics go.

    Attributes:
        table: the runs that are known for all that decides here what a run stands for.
        tied: semitones by the letter and octave of notes that are tied to the next event.
        faulty: set when a length is met that means nothing.
        unit: the unit note length in force.
    """

    __slots__ = (
        "_durations",
        "_key",
        "_octave",
        "_plain",
        "_propagate",
        "_report",
        "_signature",
        "_tables",
        "faulty",
        "table",
        "tied",
        "unit",
    )

    def __init__(self, key: Key, unit: Fraction, clef: Clef, report: Report) -> None:
        self._key = key
        self._signature = dict(key.alters)
        self._octave = clef.octave
        self._propagate = "pitch"
        self._report = report
        self._durations: dict[str, tuple[Fraction, bool]] = {}
        self.unit = unit
        self.faulty = False
        self.tied: dict[tuple[str, int], int] = {}
        self._choose_tables({})

    # -- what the fields set

    def set_key(self, key: Key) -> None:
        """Change the key signature from here on."""
        self._key = key
        self._signature = dict(key.alters)
        self._choose_tables({})

    def set_unit(self, unit: Fraction) -> None:
        """Change the unit note length from here on."""
        self.unit = unit
        self._durations = {}
        self._choose_tables(self.table.alters)

    def set_clef(self, clef: Clef) -> None:
        """Change the clef: its octave (``octave=``) shifts what is written from here on."""
        self._octave = clef.octave
        self._choose_tables(self.table.alters)

    def set_propagation(self, spread: str) -> None:
        """Change which notes an accidental holds for: ``not``, ``octave`` or ``pitch`` (11.3)."""
        self._propagate = spread
        self._choose_tables(self.table.alters)

    def _choose_tables(self, alters: Mapping[str, int]) -> None:
        """Take up the tables for this key, unit, clef and spreading of accidentals."""
        unit = self.unit
        self._tables = RUNS.tables(
            (self._key.alters, unit.numerator, unit.denominator, self._octave, self._propagate)
        )
        self._plain = self.table = RUNS.table(self._tables, {})
        if alters:
            self.table = RUNS.table(self._tables, alters)

    # -- notes

    def begin_bar(self) -> None:
        """Forget the accidentals, which hold to the end of their bar."""
        self.table = self._plain

    def tie(self, notes: Iterable[Note]) -> None:
        """Let notes sound on in the next event."""
        for note in notes:
            self.tied[note.pitch.step, note.pitch.octave] = note.pitch.alter

    def note(self, text: str, offset: int, *, joined: bool = False) -> Note:
        """The note that its text stands for, before broken rhythm and tuplet."""
        step, accidental, octave, length = parse_note(text)
        sounding = self._pitch(step, accidental, octave + self._octave)
        duration = self.duration(length, offset + len(text) - len(length))
        return Note(sounding, accidental, duration, False, joined)

    def _pitch(self, step: str, accidental: int | None, octave: int) -> Pitch:
        """A written pitch as it sounds."""
        name = step if self._propagate == "pitch" else f"{step}{octave}"
        if accidental is not None:
            if self._propagate != "not":
                self.table = RUNS.table(self._tables, {**self.table.alters, name: accidental})
            return pitch(step, accidental, octave)
        alter = self.table.alters.get(name)
        if alter is None:
            # A tie carries the accidental over the bar line, to this note only.
            alter = self.tied.get((step, octave), self._signature.get(step, 0))
        return pitch(step, alter, octave)

    def duration(self, length: str, offset: int) -> Fraction:
        """What a length stands for, before broken rhythm and tuplet."""
        found = self._durations.get(length)
        if found is None:
            found = self.unit, True
            if length:
                try:
                    found = self.unit * parse_length(length), True
                except ValueError as error:
                    self._report("length", Severity.ERROR, f"{error}", offset, len(length))
                    found = self.unit, False
            if len(self._durations) < 1 << 12:
                self._durations[length] = found
        duration, known = found
        if not known:
            self.faulty = True
        return duration
