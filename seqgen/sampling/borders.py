"""Choices that no rounding turns: the same tokens whatever the batch, the threads and the machine.

The last bits of a product of matrices depend on how it is summed, so logits in float32 differ a
little from batch to batch. That matters only where a choice lies on a border: the uniform number of
a draw next to an edge of its token's interval, or two logits next to the cut of a filter. Such a
choice is found here and made anew with logits in float64, whose last bits lie a billion times
lower; it is one of several thousand. All others are what float64 would choose as well.

That holds for networks in which an error fades, as it does in trained ones. Recurrent networks of
large random weights are chaotic: there the smallest difference grows with every token.

An error is a bound for a logit, up to a shift of all. It moves a cumulative probability c by at
most twice itself times c (1 - c).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqgen.sampling.filters import (
    Cut,
    FloatArray,
    log_softmax,
    min_p,
    softmax,
    top_p,
    typical_p,
)

__all__ = ["UNSURE", "Borders", "most_rounding", "pick", "rounding"]

UNSURE = -1
"""Stands for a token that can't be told yet."""

# Of the logits' standard deviation. Over 40,000 tokens of trained networks of both kinds and of a
# random one, drawn alone and several at once, no error was above 3.3e-6 of it, that of one token in
# a hundred 2.2e-6. None moved a cumulative probability c by more than 5.9e-6 of it times c (1 - c),
# in trained networks 4.3e-6; 7.6e-6 is reckoned with.
_ROUNDING = 2.0**-18
# What all logits have in common costs them the last bits of their sums.
_OFFSET = 2.0**-22

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def most_rounding(logits: NDArray[np.floating]) -> FloatArray:
    """No less than ``rounding``, and found sooner: enough for most choices.

    Neither the mean nor the standard deviation is above the root of the mean square.
    """
    scale = (_ROUNDING + _OFFSET) ** 2 / logits.shape[-1]
    # Of numbers one by one, arithmetic costs less than of arrays of a few.
    return np.array([math.sqrt(scale * square) for square in np.vecdot(logits, logits).tolist()])


def rounding(logits: NDArray[np.floating]) -> FloatArray:
    """The error to reckon with in logits, (batch, vocabulary) float32: (batch,)."""
    size = logits.shape[-1]
    errors = []
    sums, squares = np.add.reduce(logits, -1).tolist(), np.vecdot(logits, logits).tolist()
    for total, square in zip(sums, squares, strict=True):
        mean = total / size
        variance = max(square / size - mean * mean, 0.0)
        errors.append(_ROUNDING * math.sqrt(variance) + _OFFSET * abs(mean))
    return np.array(errors)


class Borders:
    """What the filters may have kept or removed by rounding alone, in a batch.

    Args:
        error: of the logits that the filters begin with, (batch,).
    """

    def __init__(self, error: FloatArray) -> None:
        self._raw = error
        self.error = error
        self.doubt = np.zeros(len(error))
        self._first: FloatArray | None = None  # the logits before the first filter
        self._doubtful: BoolArray | np.bool_ = np.False_

    def begin(
        self, logits: NDArray[np.floating], left: FloatArray, value: float | FloatArray
    ) -> None:
        """See filters.Doubts."""
        if isinstance(value, float) and value > 0.0:
            if value != 1.0:
                self.error = self._raw / value
            return
        greedy = np.broadcast_to(np.equal(value, 0.0), self._raw.shape)
        second = np.where(np.isfinite(left), -np.inf, logits).max(-1)
        close = logits.max(-1) - second <= 2.0 * self._raw
        self.doubt[greedy & close] = np.inf
        self.error = np.where(greedy, 0.0, self._raw / np.where(greedy, 1.0, value))

    def after(self, cut: Cut, share: float, before: FloatArray, left: FloatArray) -> None:
        """See filters.Doubts."""
        if self._first is None:
            self._first = before
        self._doubtful = self._doubtful | self._near(cut, share, before, left)
        if self._doubtful.any():
            # As at the first filter; what the others have removed leaves their ratios.
            shares, kept = softmax(self._first), np.isfinite(left)
            sure = np.where(kept & ~self._doubtful, shares, 0.0).sum(-1)
            unsure = np.where(self._doubtful, shares, 0.0).sum(-1)
            share_of = np.divide(unsure, sure, out=np.full(len(sure), np.inf), where=sure > 0.0)
            self.doubt = np.maximum(self.doubt, np.where(unsure > 0.0, share_of, 0.0))

    def _near(self, cut: Cut, share: float, before: FloatArray, left: FloatArray) -> BoolArray:
        """Which tokens a filter could as well have kept or removed, (batch, vocabulary)."""
        key, slack = before, 2.0 * self.error
        if cut is min_p:
            least = np.maximum.reduce(before, -1, keepdims=True) + math.log(share)
            return np.abs(before - least) <= slack[:, None]
        kept, removed = np.isfinite(left), np.isfinite(before) & ~np.isfinite(left)
        if cut is typical_p:
            information = -log_softmax(before)
            shares = np.exp(-information)
            information = np.where(shares > 0.0, information, 0.0)
            entropy = (shares * information).sum(-1, keepdims=True)
            apart = np.abs(information - entropy)
            key = -apart
            slack = slack * (2.0 + 2.0 * (shares * apart).sum(-1))
            # What an earlier filter may have removed changes the entropy in no simple way.
            self.doubt[self.doubt > 0.0] = np.inf
        slack = slack[:, None]
        lowest = np.where(kept, key, np.inf).min(-1, keepdims=True)
        highest = np.where(removed, key, -np.inf).max(-1, keepdims=True)
        last, first = kept & (key <= lowest + slack), removed & (key >= highest - slack)
        close = lowest - highest <= slack
        if cut in (top_p, typical_p):
            shares = softmax(before)
            held = np.where(kept, shares, 0.0).sum(-1, keepdims=True)
            edge = np.take_along_axis(shares, np.where(kept, key, np.inf).argmin(-1)[:, None], -1)
            margin = 2.0 * self.error[:, None] * share * (1.0 - share) + self.doubt[:, None]
            near = (held < share + margin) | (held - edge > share - margin)
            close = close | near | (last.sum(-1, keepdims=True) > 1)
            close = close | (first.sum(-1, keepdims=True) > 1)
        return np.asarray(close & (last | first))


def pick(
    probabilities: FloatArray,
    uniform: Sequence[float] | FloatArray,
    borders: Borders | None = None,
) -> list[int]:
    """Ids drawn from distributions, one a row, UNSURE where a border is too near.

    Args:
        probabilities: up to a factor of each row, (batch, vocabulary); none is all 0.
        uniform: one number a row, from 0 up to 1.
        borders: that the filters left; None if nothing is in doubt.
    """
    drawn = []
    errors = doubts = [0.0] * len(probabilities)
    if borders is not None:
        errors, doubts = borders.error.tolist(), borders.doubt.tolist()
    # Inverse of the cumulative distribution: one uniform number a token, whatever the filters.
    rows = np.add.accumulate(probabilities, -1)
    for row, number, error, doubt in zip(rows, uniform, errors, doubts, strict=True):
        total = row.item(-1)
        # The product is below the total, however it is rounded, as the number is below 1.
        token = int(row.searchsorted(number * total, "right"))
        if borders is not None:
            below, above = row.item(token - 1) / total if token else 0.0, row.item(token) / total
            slack = error / 2.0 + doubt  # c (1 - c) is a quarter at most
            if (number - below <= slack or above - number <= slack) and (
                number - below <= 2.0 * error * below * (1.0 - below) + doubt
                or above - number <= 2.0 * error * above * (1.0 - above) + doubt
            ):
                token = UNSURE
        drawn.append(token)
    return drawn
