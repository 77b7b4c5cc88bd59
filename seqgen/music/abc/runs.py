"""Notes that have been read before, kept so that the next need not be made again.

What a text such as ``A2`` stands for follows from it and a few things beside it: key signature,
unit note length, the accidentals written in its bar, a tuplet, whether it joins the note before.
All that is a state, and each state has a table from texts to what they stand for and the state
after them. So reading notes is walking from table to table, and a collection, which has millions of
notes, has few different ones in each state. Scores are immutable, so tunes can share their notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from seqgen.music.abc.values import Steps
from seqgen.music.score import Event, Tuplet

__all__ = ["RUNS", "Made", "Runs", "Table", "Tables"]

Setting: TypeAlias = tuple[tuple[tuple[str, int], ...], int, int, int, str]
"""Key signature, unit note length (numerator, denominator), the clef's octave, and which notes an
accidental holds for."""

_TableKey: TypeAlias = tuple[
    tuple[tuple[str, int], ...], tuple[tuple[tuple[str, int], int], ...], Tuplet | None, bool
]


Made: TypeAlias = "tuple[tuple[Event, ...], Steps, Table]"
"""What a text stands for: its notes and rests, their length, and the table after it. A plain tuple:
a named one takes longer to make and to take apart, and this is done for every note."""


class Table(dict[str, Made]):
    """What texts of notes stand for in one state.

    Args:
        alters: semitones by the notes that an accidental of the bar still holds for.
        tied: semitones by letter and octave of notes tied to the next that would else sound
            otherwise.
        group: the tuplet that the next note belongs to.
        joined: whether no blank stands before the next note.

    Attributes:
        follows: the table after an event without an accidental of its own; at_bar: after a bar
            line; apart: after a blank. All None until they are asked for.
    """

    __slots__ = ("alters", "apart", "at_bar", "follows", "group", "joined", "tied")

    def __init__(
        self,
        alters: Mapping[str, int],
        tied: Mapping[tuple[str, int], int],
        group: Tuplet | None,
        joined: bool,
    ) -> None:
        super().__init__()
        self.alters = alters
        self.tied = tied
        self.group = group
        self.joined = joined
        self.follows: Table | None = None
        self.at_bar: Table | None = None
        self.apart: Table | None = None


Tables: TypeAlias = dict[_TableKey, Table]
"""The tables of one setting by their states."""

_LONGEST = 32  # characters of a text; longer ones seldom come again


class Runs:
    """Tables of texts, bounded, so that no input can fill the memory.

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

    def table(
        self,
        tables: Tables,
        alters: Mapping[str, int],
        tied: Mapping[tuple[str, int], int],
        group: Tuplet | None,
        joined: bool,
    ) -> Table:
        """The table of a state; see :class:`Table`."""
        key = (
            tuple(sorted(alters.items())) if alters else (),
            tuple(sorted(tied.items())) if tied else (),
            group,
            joined,
        )
        found = tables.get(key)
        if found is None:
            found = Table(alters, tied, group, joined)
            if self._count <= self._most_tables:
                self._count += 1
                tables[key] = found
        return found

    def keep(self, table: Table, text: str, made: Made) -> None:
        """Remember what a text stands for."""
        if self._kept <= self._most_runs and len(text) <= _LONGEST:
            self._kept += 1
            table[text] = made


RUNS = Runs()
"""Those of this process."""
