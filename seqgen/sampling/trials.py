"""The first lines of a tune, drawn so that they go with what is asked for further down in them.

What is said here of lines holds for the last bars of ``retakes`` too.

A field that is asked for comes where the model has learnt to write it, below lines that it draws:
by then it may have written that the tune is a reel, and 6/8 makes no sense to it any more. The
grammar takes away what may not come, token by token, and can't know. So these lines are drawn on
trial, and kept with the probability that the model left to what could come, all tokens together:
then they are what it writes when it happens to write what is asked (rejection sampling; von Neumann
1951). Where that is rare, one of the trials is taken in the end, each as likely as that probability
(importance resampling; Rubin 1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "Trial", "Trials"]

MOST = 16
"""Trials of a sample."""

# Rounding in float32 turns the product of some fifty shares by less.
_NEAR = 1e-3

BoolArray = NDArray[np.bool_]


@dataclass(slots=True)
class Trial:
    """One draw of the first lines.

    Attributes:
        ids: their tokens.
        allowed: what could come in place of each, (vocabulary,).
        shares: of the probability, that stood on what could come.
        texts: of each, as far as they were certain.
        lost: whether it can't become what it is to be.
    """

    ids: list[int] = field(default_factory=list)
    allowed: list[BoolArray] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lost: bool = False

    def note(self, token: int, allowed: BoolArray, share: float) -> None:
        """Take in a token; see the attributes."""
        self.ids.append(token)
        self.allowed.append(allowed)
        self.shares.append(share)

    @property
    def log_share(self) -> float:
        """Of all tokens together, at most 0."""
        if self.lost:
            return -math.inf
        return math.fsum(math.log(share) if share > 0.0 else -math.inf for share in self.shares)


class Trials:
    """Those of one sample.

    Args:
        most: how many fail before one of them is taken.
        least: probability that is left to a trial, below which it is lost.
    Attributes:
        now: the one that is drawn.
        is_last: whether what is drawn next is taken, whatever it is.
    """

    def __init__(self, most: int = MOST, least: float = 0.0) -> None:
        self._most, self._least = most, least
        self.now = Trial()
        self.is_last = False
        self._failed: list[Trial] = []

    def keeps(self, uniform: float, exactly: Callable[[Trial], float] | None) -> bool:
        """Whether the lines that have been drawn are kept; if not, others begin.

        Args:
            uniform: a random number from 0 up to 1.
            exactly: a trial's ``log_share``, of logits in float64; None if float32's will do.
        """
        share = math.exp(self.now.log_share)
        near = min(abs(uniform - share), abs(self._least - share)) <= _NEAR * share
        if exactly is not None and share and near:
            share = math.exp(exactly(self.now))
        if self.is_last or uniform < share:
            return True
        self.now.lost |= share < self._least
        self._failed.append(self.now)
        self.now = Trial()
        return False

    def resample(self, uniform: float, exactly: Callable[[Trial], float] | None) -> list[int]:
        """Take one of those that have failed, once there are enough of them.

        Args:
            uniform, exactly: see ``keeps``.
        Returns:
            Its tokens, which are to come; none while there are too few, or where all are lost.
        """
        if len(self._failed) < self._most:
            return []
        self.is_last = True
        left = [trial for trial in self._failed if not trial.lost]
        if not left:
            return []
        edges = _edges([trial.log_share for trial in left])
        if exactly is not None and np.abs(edges - uniform).min() <= _NEAR:
            edges = _edges([exactly(trial) for trial in left])
        at = int(edges.searchsorted(uniform, "right"))
        return left[min(at, len(left) - 1)].ids


def _edges(logs: list[float]) -> NDArray[np.float64]:
    """Cumulative probabilities of trials, of their logarithms up to a constant."""
    most = max(logs)
    shares = np.exp(np.array(logs) - most) if most > -math.inf else np.ones(len(logs))
    edges = np.add.accumulate(shares)
    return np.asarray(edges / edges[-1])
