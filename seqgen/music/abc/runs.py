"""Runs of notes that have been read before, kept so that the next tune need not make them again.

What a run such as ``A2FA dfef`` stands for follows from its text and a few things beside it: key
signature, unit note length, and the accidentals written in its bar. Tunes share most of these, and
music repeats itself, so most runs of a collection are looked up. Scores are immutable, so tunes can
share their notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from seqgen.music.abc.values import Steps
from seqgen.music.score import Event

__all__ = ["RUNS", "Made", "Runs", "Table", "Tables"]

Key: TypeAlias = str | tuple[str, int, int, int, int]
"""The text of a run; of a note in a tuplet also that one's numbers and the note's place in it."""

Setting: TypeAlias = tuple[tuple[tuple[str, int], ...], int, int, int, str]
"""Key signature, unit note length (numerator, denominator), the clef's octave, and which notes an
accidental holds for."""


class Made(NamedTuple):
    """What a run stands for: its notes and rests, their length, and the table after it."""

    events: tuple[Event, ...]
    steps: Steps
    after: Table


class Table(NamedTuple):
    """The runs that are known where a bar has had these accidentals.

    Args:
        alters: semitones by the notes that an accidental of the bar still holds for.
        runs: those that stand apart from the note before, and those joined to it.
    """

    alters: Mapping[str, int]
    runs: tuple[dict[Key, Made], dict[Key, Made]]


Tables: TypeAlias = dict[tuple[tuple[str, int], ...], Table]
"""The tables of one setting by their accidentals."""

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

    def table(self, tables: Tables, alters: Mapping[str, int]) -> Table:
        """The table for a bar with these accidentals."""
        key = tuple(sorted(alters.items()))
        found = tables.get(key)
        if found is None:
            found = Table(alters, ({}, {}))
            if self._count <= self._most_tables:
                self._count += 1
                tables[key] = found
        return found

    def keep(self, table: dict[Key, Made], key: Key, made: Made) -> None:
        """Remember what a run stands for."""
        if self._kept <= self._most_runs and len(key) <= _LONGEST:
            self._kept += 1
            table[key] = made


RUNS = Runs()
"""Those of this process."""
