"""Runs of notes that have been read before, kept so that the next tune need not make them again.

What a run such as ``A2FA dfef`` stands for follows from its text and a few things beside it: key
signature, unit note length, and the accidentals written in its bar. Tunes share most of these, and
music repeats itself, so most runs of a collection are looked up. Scores are immutable, so tunes can
share their notes.
"""

from __future__ import annotations

from typing import TypeAlias

from seqgen.music.score import Note

__all__ = ["RUNS", "Runs", "Table", "Tables"]

Key: TypeAlias = str | tuple[str, int, int, int, int]
"""The text of a run; of a note in a tuplet also that one's numbers and the note's place in it."""

Table: TypeAlias = dict[Key, tuple[tuple[Note, ...], int]]
"""The notes of each run and their length together in steps."""

Tables: TypeAlias = dict[tuple[tuple[str, int], ...], tuple[Table, Table]]
"""By the accidentals of a bar: the runs that stand apart from what is before, and those joined."""

Setting: TypeAlias = tuple[tuple[tuple[str, int], ...], int, int, int, str]
"""Key signature, unit note length (numerator, denominator), the clef's octave, and which notes an
accidental holds for."""

_LONGEST = 32  # characters of a run; longer ones seldom come again


class Runs:
    """Tables of runs, bounded, so that no input can fill the memory.

    Args:
        most_tables, most_runs: beyond these all is forgotten.
    """

    def __init__(self, most_tables: int = 1 << 12, most_runs: int = 1 << 17) -> None:
        self._most_tables, self._most_runs = most_tables, most_runs
        self._settings: dict[Setting, Tables] = {}
        self._count = self._kept = 0

    def tables(self, setting: Setting) -> Tables:
        """The tables of a setting."""
        if self._count > self._most_tables or self._kept > self._most_runs:
            self._settings.clear()
            self._count = self._kept = 0
        return self._settings.setdefault(setting, {})

    def table(self, tables: Tables, alters: tuple[tuple[str, int], ...]) -> tuple[Table, Table]:
        """The pair of tables for a bar with these accidentals."""
        found = tables.get(alters)
        if found is None:
            found = ({}, {})
            if self._count <= self._most_tables:
                self._count += 1
                tables[alters] = found
        return found

    def keep(self, table: Table, key: Key, notes: tuple[Note, ...], steps: int) -> None:
        """Remember what a run stands for."""
        if self._kept <= self._most_runs and len(key) <= _LONGEST:
            self._kept += 1
            table[key] = notes, steps


RUNS = Runs()
"""Those of this process."""
