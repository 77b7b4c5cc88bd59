"""A penalty on going round in circles.

A model that has written the same bar a few times finds it likelier each time, and can stay with it
for ever (Holtzman et al. 2020). What would repeat the last stretch of tokens once more loses
probability, the more the oftener that stretch has just come. No tune of the Irish collection or of
Ryan's has the same bar more than four times in a row: three come freely, a fourth is unlikely. Of a
hundred tunes that a model of the former drew at temperature 0.8, ten had a bar five times or
more without this, and three with 4 nats.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "Loops"]

LONGEST = 64  # tokens of a stretch, at most
_FREE = 3  # times that a stretch may come
_FEWEST = 12  # tokens that have come again, at least


class Loops:
    """What has just come again, and again.

    Args:
        penalty: nats for each time that a stretch would come beyond the third.
        ids: the tokens before the first that is drawn.
    """

    def __init__(self, penalty: float, ids: Iterable[int] = ()) -> None:
        self._penalty = penalty
        self._periods = np.arange(1, LONGEST + 1)
        self._least = np.maximum((_FREE - 1) * self._periods, _FEWEST)
        self._recent = np.full(LONGEST, -1)  # the last token first
        # For each length of a stretch, how many tokens in a row were those that many before them.
        self._runs = np.zeros(LONGEST, np.int64)
        for token in ids:
            self.add(token)

    def add(self, token: int) -> None:
        """Take in a token that has been drawn."""
        self._runs = np.where(self._recent == token, self._runs + 1, 0)
        self._recent[1:] = self._recent[:-1].copy()
        self._recent[0] = token

    def hold(self, logits: NDArray[np.floating]) -> None:
        """Take the penalty off the logits, (vocabulary,), of what would go on with a loop."""
        looping = np.flatnonzero(self._runs >= self._least)
        if not len(looping):
            return
        times = self._runs[looping] / self._periods[looping] - (_FREE - 2)
        tokens = self._recent[looping]
        # Of several stretches that a token would repeat, the one that has come most counts.
        np.minimum.at(logits, tokens, logits[tokens] - self._penalty * times)
