"""Work on a batch shared among the cores that the process may use.

NumPy lets go of the interpreter while it multiplies, so threads do that side by side. Each part
of the work is the same whichever thread does it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["share_out"]

_MOST = 4  # threads; more of them wait for the same memory
_PARTS = 2  # a thread


def share_out(work: Callable[[int, int], None], count: int) -> None:
    """Call ``work(begin, end)`` for parts of ``range(count)``, at once, and wait for all.

    Who is ready takes the next part, so that on a busy machine none waits for a thread that has no
    core to run on.
    """
    cores = _cores()
    if cores == 1:
        work(0, count)
        return
    parts = min(_PARTS * cores, count)
    left = deque((count * at // parts, count * (at + 1) // parts) for at in range(parts))

    def run() -> None:
        while left:
            try:
                part = left.popleft()
            except IndexError:  # another was faster
                return
            work(*part)

    others = [_pool().submit(run) for _ in range(cores - 1)]
    try:
        run()
    finally:
        for other in others:
            if not other.cancel():
                other.result()


@cache
def _cores() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # macOS and Windows lack it
    return min(_MOST, len(allowed(0)) if allowed is not None else os.cpu_count() or 1)


@cache
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # half a hundredth of a second

    return ThreadPoolExecutor(_cores() - 1, "decoder")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
