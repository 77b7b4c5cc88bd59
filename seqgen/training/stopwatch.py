"""Training time: what a run itself takes, without what is shown of it."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Stopwatch"]


class Stopwatch:
    """Counts seconds from when it is made, but for pauses.

    Args:
        seconds: to go on from.
    """

    def __init__(
        self, seconds: float = 0.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._began = clock() - seconds
        self._paused_at: float | None = None

    @property
    def seconds(self) -> float:
        """So far."""
        return (self._clock() if self._paused_at is None else self._paused_at) - self._began

    def pause(self) -> None:
        """Stop counting."""
        self._paused_at = self._clock()

    def go(self) -> None:
        """Count again after a pause."""
        if self._paused_at is not None:
            self._began += self._clock() - self._paused_at
            self._paused_at = None
