"""A penalty on going round in circles.

A model that has written the same bar a few times finds it likelier each time, and can stay with it
for ever (Holtzman et al. 2020). What would repeat the last stretch of tokens once more loses
probability, the more the oftener that stretch has just come. No tune of the Irish collection or of
Ryan's has the same bar more than four times in a row: three come freely, a fourth is unlikely. Of a
hundred tunes that a model of the former drew at temperature 0.8, ten had a bar five times or
more without this, and three with 4 nats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "Loops"]

LONGEST = 64  # tokens of a stretch, at most
_FREE = 3  # times that a stretch may come
_FEWEST = 12  # tokens that have come again, at least


class Loops:
    """What has just come again, and again, in each sequence of a batch.

    Args:
        penalty: nats for each time that a stretch would come beyond the third.
        ids: the tokens before the first that is drawn, (batch, time).
    """

    def __init__(self, penalty: float, ids: NDArray[np.integer]) -> None:
        self._penalty = penalty
        self._periods = np.arange(1, LONGEST + 1)
        self._least = np.maximum((_FREE - 1) * self._periods, _FEWEST)
        self._recent = np.full((len(ids), LONGEST), -1)  # the last token first
        # For each length of a stretch, how many tokens in a row were those that many before them.
        self._runs = np.zeros((len(ids), LONGEST), np.int64)
        for tokens in ids.T:
            self.add(tokens)

    def add(self, tokens: NDArray[np.integer]) -> None:
        """Take in the token that has been drawn for each sequence, (batch,)."""
        self._runs = np.where(self._recent == tokens[:, None], self._runs + 1, 0)
        self._recent = np.concatenate([tokens[:, None], self._recent[:, :-1]], axis=1)

    def hold(self, logits: NDArray[np.floating], rows: NDArray[np.integer] | slice) -> None:
        """Take the penalty off the logits of what would go on with a loop.

        Args:
            logits: of some sequences, (rows, vocabulary).
            rows: which these are.
        """
        runs = self._runs[rows]
        looping = runs >= self._least
        if not looping.any():
            return
        row, period = np.nonzero(looping)
        times = runs[row, period] / self._periods[period] - (_FREE - 2)
        token = self._recent[rows][row, period]
        # Of several stretches that a token would repeat, the one that has come most counts.
        np.minimum.at(logits, (row, token), logits[row, token] - self._penalty * times)

    def renew(self, row: int, begun: Loops) -> None:
        """Let a sequence go on from where the only one of ``begun`` stands."""
        self._recent[row], self._runs[row] = begun._recent[0], begun._runs[0]

    def keep(self, rows: NDArray[np.integer]) -> None:
        """Drop all sequences but these."""
        self._recent, self._runs = self._recent[rows], self._runs[rows]
