"""The random numbers of one sample."""

from __future__ import annotations

import numpy as np

__all__ = ["Chance"]

_BLOCK = 128


class Chance:
    """Uniform numbers from 0 up to 1, in the order in which they are used up.

    Args:
        seed, number, attempt: decide them; attempts count the draws of one number from 0.
        stream: so do several streams of numbers for the same, from 0.
    """

    def __init__(self, seed: int, number: int, attempt: int = 0, stream: int = 0) -> None:
        key = [seed, number, attempt, stream] if stream else [seed, number, attempt]
        while not key[-1] and len(key) > 2:
            key.pop()
        self._rng = np.random.default_rng(key)
        self._numbers: list[float] = []
        self.next = 0.0
        self.use()

    def use(self) -> float:
        """Use ``next``, which becomes another."""
        used = self.next
        if not self._numbers:
            self._numbers = self._rng.random(_BLOCK)[::-1].tolist()
        self.next = self._numbers.pop()
        return used
