"""Threads for compiled functions, and such a function as a TensorFlow operation."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike, NDArray

from seqgen.models.networks.native.names import MATRICES, fill
from seqgen.models.networks.native.panels import make_pack
from seqgen.models.networks.native.products import PANEL

__all__ = ["Team", "empty", "operand_type", "operation", "pack", "run_together"]

Arrays = tuple[NDArray[Any], ...]
MOST_KEPT_BYTES = 1 << 30
RELEASED = 1 << 62  # more than any thread waits for
ALIGNMENT = 64  # of an array that TensorFlow takes over without a copy


class Team:
    """Threads that run one function together; as many as processors if no size is given, or as
    many as the system allows."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or _processors()
        # They wait for each other: a second function must not have some of them.
        self._lock = threading.Lock()
        # All are started now: that one can't be had must not turn out while others wait for it.
        while (begun := self._start()) < self.size:
            self.size = begun

    def _start(self) -> int:
        """Start all but the first, which is whoever runs a function; how many there are now."""
        self._others = ThreadPoolExecutor(max(1, self.size - 1), "seqgen-native")
        everyone = threading.Event()
        begun = 1
        with contextlib.suppress(RuntimeError):
            for _ in range(1, self.size):
                self._others.submit(everyone.wait)
                begun += 1
        everyone.set()
        if begun < self.size:
            self._others.shutdown(wait=False)
        return begun

    def run(self, function: Any, *arguments: Any) -> None:
        """Call function(*arguments, counter, rank, ranks) on each thread.

        The counter is one int64, 0, for ``wait``. When one of them fails it lets the others pass
        all that they wait for, so that they end.
        """
        counter = np.zeros(1, np.int64)

        def member(rank: int) -> None:
            try:
                function(*arguments, counter, rank, self.size)
            except BaseException:
                counter[0] = RELEASED
                raise

        with self._lock:
            others = [self._others.submit(member, rank) for rank in range(1, self.size)]
            try:
                member(0)
            finally:
                futures.wait(others)
            for other in others:
                other.result()


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_team = Team()


def run_together(function: Any, *arguments: Any) -> None:
    """Call function(*arguments, counter, rank, ranks) on as many threads as processors."""
    _team.run(function, *arguments)


def empty(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """An array that TensorFlow can take over.

    Its memory is kept for the next of its size when the array is gone: what the system gives anew
    comes page by page, each filled with zeros first, which takes a tenth of an update.
    """
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    try:
        memory = _free.pop_of(size)
    except IndexError:
        memory = np.empty(size + ALIGNMENT, np.uint8)
    # All views of it, the caller's and TensorFlow's, keep this array, and not the memory itself.
    room = np.frombuffer(memory.data, np.uint8)
    weakref.finalize(room, _free.keep, size, memory).atexit = False
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + size].view(kind).reshape(shape)


class _Free:
    """Memory that is used no more, by its size; safe from any thread."""

    def __init__(self) -> None:
        self.by_size: dict[int, list[NDArray[np.uint8]]] = defaultdict(list)
        self.kept_bytes = 0

    def pop_of(self, size: int) -> NDArray[np.uint8]:
        """Raises IndexError if there is none."""
        memory = self.by_size[size].pop()
        self.kept_bytes -= size
        return memory

    def keep(self, size: int, memory: NDArray[np.uint8]) -> None:
        if self.kept_bytes + size <= MOST_KEPT_BYTES:
            self.kept_bytes += size
            self.by_size[size].append(memory)


_free = _Free()


def operand_type(narrow: bool) -> Any:
    """NumPy's type of what is multiplied."""
    return tf.bfloat16.as_numpy_dtype if narrow else np.float32


def pack(matrices: Sequence[NDArray[np.float32]], narrow: bool) -> tuple[Arrays, Arrays]:
    """Matrices laid out by columns and by rows; see make_pack."""

    def room(inner: int, outer: int) -> NDArray[Any]:
        return empty((outer // PANEL, inner // (2 if narrow else 1), PANEL), np.uint32)

    by_columns = tuple(room(*matrix.shape) for matrix in matrices)
    by_rows = tuple(room(*matrix.T.shape) for matrix in matrices)
    group = MATRICES if len(matrices) > 1 else 1  # that of a recurrent layer
    groups = [fill(items, group) for items in (matrices, by_columns, by_rows)]
    run_together(_pack(narrow, len(groups[0])), len(matrices), *groups)
    return by_columns, by_rows


_pack = functools.cache(make_pack)


def operation(
    function: Callable[..., list[NDArray[Any]]], tensors: Sequence[Any], kinds: Sequence[Any]
) -> list[tf.Tensor]:
    """A function from arrays to arrays of these kinds, as an operation without a gradient."""

    def contiguous(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
        return function(*map(np.ascontiguousarray, arrays))

    if tf.executing_eagerly():
        return [tf.convert_to_tensor(array) for array in contiguous(*(t.numpy() for t in tensors))]
    found = tf.numpy_function(contiguous, tensors, kinds)
    return found if isinstance(found, list) else [found]  # of one, it is not always a list
