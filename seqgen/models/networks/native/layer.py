"""A layer over time as a TensorFlow operation, whose inside is ours."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import DTypeLike, NDArray

from seqgen.config import Architecture
from seqgen.models.networks.cells import CELLS
from seqgen.models.networks.native.loops import make_loops
from seqgen.models.networks.native.products import PANEL
from seqgen.models.networks.network import ONE_HOT_VOCABULARY
from seqgen.models.parameters import GATES

__all__ = ["recur"]

ALIGNMENT = 64  # of an array that TensorFlow takes over without a copy


class Team:
    """Threads that run one function together; as many as processors if no size is given."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or _processors()
        self._others = ThreadPoolExecutor(max(1, self.size - 1), "seqgen-layer")
        # They wait for each other: a second function must not have some of them.
        self._lock = threading.Lock()

    def run(self, function: Any, *arguments: Any) -> None:
        """Call function(*arguments, rank, ranks) on each thread."""
        member = functools.partial(function, *arguments)
        with self._lock:
            others = [self._others.submit(member, n, self.size) for n in range(1, self.size)]
            member(0, self.size)
            for other in others:
                other.result()


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_team = Team()


def _empty(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + size].view(kind).reshape(shape)


def _forward(arch: Architecture, narrow: bool, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
    """The loop ahead; see recur and Loops.forward."""
    table, rows, keep, state, kernel, bias = map(np.ascontiguousarray, tensors)
    loops, gates = make_loops(arch, narrow), GATES[arch]
    (time, batch), hidden = rows.shape, len(kernel)
    together = 2 if narrow else 1
    panels = hidden // PANEL
    ahead = _empty((panels, gates, hidden // together, PANEL), np.uint32)
    back = _empty((panels, gates * hidden // together, PANEL), np.uint32)
    _team.run(loops.pack, kernel, ahead, back)
    operand = _empty((time + 1, batch, hidden), _operand_type(narrow))
    hs = _empty((time, batch, hidden), np.float32)
    saved = _empty((time, batch, CELLS[arch].saved, hidden), np.float32)
    state = state.copy()
    arrays = (table, rows, ahead, bias, keep, state, operand.view(np.uint8), hs, saved)
    _team.run(loops.forward, *arrays, np.zeros(1, np.int64))
    return [hs, state, back, operand, saved]


def _backward(arch: Architecture, narrow: bool, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
    """The loop back; see Loops.backward."""
    d_hs, back, keep, saved = map(np.ascontiguousarray, tensors)
    time, batch, hidden = d_hs.shape
    shape = (time, batch, GATES[arch] * hidden)
    found = [_empty(shape, _operand_type(narrow)) for _ in range(CELLS[arch].ways)]
    d_x, d_u = found[0].view(np.uint8), found[-1].view(np.uint8)
    loop = make_loops(arch, narrow).backward
    _team.run(loop, d_hs, back, keep, saved, d_x, d_u, np.zeros(1, np.int64))
    return found


def _operand_type(narrow: bool) -> Any:
    return tf.bfloat16.as_numpy_dtype if narrow else np.float32


def recur(
    arch: Architecture,
    operand_type: Any,
    table: tf.Tensor,
    rows: tf.Tensor | None,
    keep: tf.Tensor,
    state: tf.Tensor,
    kernel: tf.Tensor,
    *biases: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Run a layer over time.

    Args:
        operand_type: in which the products take their numbers, float32 or bfloat16.
        table: W x + b, (any, gates * hidden).
        rows: which of its rows each step takes, (time, batch) int32; None: one after the other.
        keep: see RecurrentNetwork.recur, (time, batch).
        state: before the first step, (states, batch, hidden); no gradient flows into it.
        kernel: U, (hidden, gates * hidden).
        biases: b', (gates * hidden,), if the cell has one.
    Returns:
        The hidden states, (time, batch, hidden), and the state after the last step.
    """
    narrow = operand_type == tf.bfloat16
    hidden, width = kernel.shape
    places = tf.reshape(tf.range(tf.size(keep)), tf.shape(keep)) if rows is None else rows
    keep = tf.pad(keep, [[0, 1], [0, 0]])  # what is kept after the last step is not asked

    def operation(function: Any, tensors: list[tf.Tensor], kinds: list[Any]) -> Any:
        found = tf.numpy_function(functools.partial(function, arch, narrow), tensors, kinds)
        return found if isinstance(found, list) else [found]  # of one, it is not always a list

    @tf.custom_gradient
    def run(table: tf.Tensor, kernel: tf.Tensor, *biases: tf.Tensor) -> tuple[Any, object]:
        tensors = [table, places, keep, state, kernel, *(biases or [tf.zeros((0,))])]
        kinds = [tf.float32, tf.float32, tf.uint32, operand_type, tf.float32]
        hs, last, back, operand, saved = operation(_forward, tensors, kinds)
        hs = tf.ensure_shape(hs, (None, None, hidden))

        def gradient(d_hs: tf.Tensor, _d_last: tf.Tensor) -> tuple[tf.Tensor, ...]:
            kinds = [operand_type] * CELLS[arch].ways
            found = operation(_backward, [d_hs, back, keep, saved], kinds)
            d_x, *_, d_u = (tf.reshape(each, (-1, width)) for each in (found[0], found[-1]))
            hs_before = tf.reshape(operand[:-1], (-1, hidden))
            d_kernel = tf.matmul(hs_before, d_u, transpose_a=True)
            d_biases = [tf.reduce_sum(tf.cast(d_u, tf.float32), 0) for _ in biases]
            d_table = tf.cast(d_x, tf.float32) if rows is None else _sum_by_row(d_x, rows, table)
            return d_table, tf.cast(d_kernel, tf.float32), *d_biases

        return (hs, tf.ensure_shape(last, state.shape)), gradient

    return run(table, kernel, *biases)


def _sum_by_row(d_x: tf.Tensor, rows: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """The gradient of a table some rows of which were taken, (time * batch, width) of them."""
    rows, height = tf.reshape(rows, [-1]), table.shape[0]
    if height > ONE_HOT_VOCABULARY:
        return tf.math.unsorted_segment_sum(tf.cast(d_x, tf.float32), rows, height)
    product = tf.matmul(tf.one_hot(rows, height, dtype=d_x.dtype), d_x, transpose_a=True)
    return tf.cast(product, tf.float32)
