"""Tunes in other keys than their own, so that a network learns melodies rather than letters.

A tune may move to each key of its own mode in which the collection has tunes, as far as no note
leaves the collection's compass, and is in each as often as the collection's tunes are: what comes
out could stand in the collection, and is about as likely there. The key is drawn anew for every
time through the corpus, from the seed, so nothing is stored and a resumed run draws the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from seqgen.corpus.stripping import with_heading
from seqgen.music.abc.notation import MODES, PITCH_CLASSES
from seqgen.music.abc.transposable import Transposable
from seqgen.music.compass import compass
from seqgen.music.score import Key

__all__ = ["Transpositions"]

# Intervals in semitones, and the running sums of how often each is taken.
_Choices: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]

_FARTHEST = 11  # semitones; any key is within an octave


class Transpositions:
    """The keys that each tune of a collection may be in.

    Args:
        texts: ABC, one tune each, with or without its first lines.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # Home and compass of each tune; None if it can't be moved.
        tunes = [_survey(text) for text in texts]
        known = [tune for tune in tunes if tune is not None]
        homes = Counter((tonic, mode) for tonic, mode, _, _ in known)
        lowest = min((low for _, _, low, _ in known), default=0)
        highest = max((high for _, _, _, high in known), default=0)

        @cache
        def choices(tonic: int, mode: int, low: int, high: int) -> _Choices:
            found: dict[int, int] = {}
            for semitones in sorted(range(-_FARTHEST, _FARTHEST + 1), key=abs):
                fits = lowest <= low + semitones and high + semitones <= highest
                if fits and homes[(tonic + semitones) % 12, mode]:
                    # The nearer of two octaves.
                    found.setdefault((tonic + semitones) % 12, semitones)
            counts = [homes[home, mode] for home in found]
            return tuple(found.values()), tuple(accumulate(counts))

        self._choices = [((0,), (1,)) if tune is None else choices(*tune) for tune in tunes]

    def draw(self, seed: int, epoch: int) -> list[int]:
        """By how many semitones each tune moves in an epoch, counted from 0."""
        chances = np.random.default_rng([seed, 2, epoch]).random(len(self._choices))
        return [
            shifts[bisect_right(sums, chance * sums[-1])]
            for (shifts, sums), chance in zip(self._choices, chances.tolist(), strict=True)
        ]


def _survey(text: str) -> tuple[int, int, int, int] | None:
    try:
        key = Transposable(text).key
    except ValueError:
        return None
    span = compass([with_heading(text)])
    return None if span is None else (_pitch_class(key), MODES[key.mode], *span)


def _pitch_class(key: Key) -> int:
    """Semitones of the tonic above C."""
    return (PITCH_CLASSES[key.tonic[0]] + key.tonic.count("#") - key.tonic.count("b")) % 12
