"""Training time: what a run itself takes, without what is shown of it; and whether the machine had
any time for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

__all__ = ["BUSY", "Stopwatch", "processor_seconds", "share_waited"]

BUSY = 0.3  # share of the time without the processor from which on the machine has other work to do


def processor_seconds() -> float:
    """That this process has had, and (not on Windows) the helpers it has seen the end of."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def share_waited(seconds: float, processor: float) -> float:
    """The least share of ``seconds`` in which others, or the disk, let nothing be done: all else
    equal, at least one thread is at work at any time.

    Args:
        processor: seconds of it that were had meanwhile, by all threads.
    """
    return max(0.0, 1.0 - processor / seconds)


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
