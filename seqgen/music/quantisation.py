"""Times of a performance as exact values of notation.

Each eighth note of time is divided in as few equal parts as fit what begins in it, so that
sixteenths and triplets may alternate; what fits none closely takes the nearest sixteenth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from seqgen.music.playing import TimedNote

__all__ = ["Sounding", "quantise"]

_CELL = Fraction(1, 8)
_DIVISIONS = (1, 2, 3, 4, 6, 8, 5, 12)
_COARSE = 2


class Sounding(NamedTuple):
    """What begins together: MIDI note numbers, lowest first; times of a whole note."""

    onset: Fraction
    duration: Fraction
    pitches: tuple[int, ...]


def quantise(notes: Sequence[TimedNote], ticks_per_quarter: int) -> list[Sounding]:
    """One line of notes and chords: a note ends at the latest where the next begins.

    Args:
        notes: sorted by onset, in ticks.
    """
    if not notes:
        return []
    grid = _Grid((note.onset for note in notes), ticks_per_quarter)
    # What begins together by the grid is a chord; the longest says how long it lasts.
    together: dict[Fraction, list[TimedNote]] = {}
    for note in notes:
        together.setdefault(grid.snap(note.onset), []).append(note)
    onsets = sorted(together)
    sounding = []
    for index, onset in enumerate(onsets):
        chord = together[onset]
        end = max(note.onset + note.duration for note in chord)
        following = onsets[index + 1] if index + 1 < len(onsets) else None
        duration = grid.end(end, onset, following) - onset
        sounding.append(Sounding(onset, duration, tuple(sorted({note.pitch for note in chord}))))
    return sounding


class _Grid:
    """For each eighth note of time, in how many parts it is divided."""

    def __init__(self, onsets: Iterable[int], ticks_per_quarter: int) -> None:
        self._tick = Fraction(2, ticks_per_quarter)  # in cells
        within: dict[int, set[Fraction]] = {}
        for onset in onsets:
            cell, place = divmod(onset * self._tick, 1)
            within.setdefault(cell, set()).add(place)
        self._divisions = {cell: _division(places) for cell, places in within.items()}

    def snap(self, ticks: int, parts: int | None = None) -> Fraction:
        """The nearest place of the grid, in whole notes."""
        cell, place = divmod(ticks * self._tick, 1)
        parts = parts or self._divisions.get(cell, _COARSE)
        return (cell + Fraction(round(place * parts), parts)) * _CELL

    def end(self, ticks: int, onset: Fraction, following: Fraction | None) -> Fraction:
        """Where a note ends: on the grid, and held to the next note if little is missing."""
        exact = ticks * self._tick * _CELL
        if following is not None and exact >= following - _CELL * _tolerance(1):
            return following
        cell, place = divmod(ticks * self._tick, 1)
        usual = (self._divisions.get(cell, 1), *_DIVISIONS[:6])
        parts = next((each for each in usual if _fits(place, each)), None)
        if parts is None and following is not None:
            short = following - exact < (following - onset) * Fraction(2, 5)
            if short:
                return following
        snapped = self.snap(ticks, parts or _COARSE)
        if snapped <= onset:
            snapped = onset + _CELL / 2
        return snapped if following is None else min(snapped, following)


def _tolerance(parts: int) -> Fraction:
    """How far from a place of the grid a time may lie, in cells."""
    return min(Fraction(1, 16), Fraction(1, 6 * parts))


def _fits(place: Fraction, parts: int) -> bool:
    return abs(place - Fraction(round(place * parts), parts)) <= _tolerance(parts)


def _division(places: set[Fraction]) -> int:
    """The fewest parts of a cell that fit all places in it and part those that differ."""
    ordered = sorted(places)
    apart = 1 + sum(after - before > _tolerance(1) for before, after in pairwise(ordered))
    for parts in _DIVISIONS:
        distinct = {round(place * parts) for place in places}
        if all(_fits(place, parts) for place in places) and len(distinct) >= apart:
            return parts
    return _COARSE
