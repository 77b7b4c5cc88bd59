"""A layer over time as a TensorFlow operation, whose inside is ours."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seqgen.config import Architecture
from seqgen.models.networks.cells import CELLS
from seqgen.models.networks.native.loops import make_loops
from seqgen.models.networks.native.team import empty, operand_type, operation, pack, run_together
from seqgen.models.networks.network import ONE_HOT_VOCABULARY
from seqgen.models.parameters import GATES

__all__ = ["recur"]


def _forward(arch: Architecture, narrow: bool, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
    """The loop ahead; see recur and make_loops."""
    table, rows, keep, state, kernel, bias = tensors
    loop, _ = make_loops(arch, narrow)
    (time, batch), hidden = rows.shape, len(kernel)
    (ahead,), (back,) = pack([kernel], narrow)
    operand = empty((time + 1, batch, hidden), operand_type(narrow))
    hs = empty((time, batch, hidden), np.float32)
    saved = empty((time, batch, CELLS[arch].saved, hidden), np.float32)
    state = state.copy()
    arrays = (table, rows, ahead, bias, keep, state, operand.view(np.uint8), hs, saved)
    run_together(loop, *arrays)
    return [hs, state, back, operand, saved]


def _backward(arch: Architecture, narrow: bool, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
    """The loop back; see make_loops."""
    d_hs, back, keep, saved = tensors
    time, batch, hidden = d_hs.shape
    shape = (time, batch, GATES[arch] * hidden)
    found = [empty(shape, operand_type(narrow)) for _ in range(CELLS[arch].ways)]
    d_x, d_u = found[0].view(np.uint8), found[-1].view(np.uint8)
    _, loop = make_loops(arch, narrow)
    run_together(loop, d_hs, back, keep, saved, d_x, d_u)
    return found


def recur(
    arch: Architecture,
    compute_type: Any,
    table: tf.Tensor,
    rows: tf.Tensor | None,
    keep: tf.Tensor,
    state: tf.Tensor,
    kernel: tf.Tensor,
    *biases: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Run a layer over time.

    Args:
        compute_type: in which the products take their numbers, float32 or bfloat16.
        table: W x + b, (any, gates * hidden).
        rows: which of its rows each step takes, (time, batch) int32; None: one after the other.
        keep: see RecurrentNetwork.recur, (time, batch).
        state: before the first step, (states, batch, hidden); no gradient flows into it.
        kernel: U, (hidden, gates * hidden).
        biases: b', (gates * hidden,), if the cell has one.
    Returns:
        The hidden states, (time, batch, hidden), and the state after the last step.
    """
    narrow = compute_type == tf.bfloat16
    hidden, width = kernel.shape
    places = tf.reshape(tf.range(tf.size(keep)), tf.shape(keep)) if rows is None else rows
    keep = tf.pad(keep, [[0, 1], [0, 0]])  # what is kept after the last step is not asked

    forward, backward = (functools.partial(each, arch, narrow) for each in (_forward, _backward))

    @tf.custom_gradient
    def run(table: tf.Tensor, kernel: tf.Tensor, *biases: tf.Tensor) -> tuple[Any, object]:
        tensors = [table, places, keep, state, kernel, *(biases or [tf.zeros((0,))])]
        kinds = [tf.float32, tf.float32, tf.uint32, compute_type, tf.float32]
        hs, last, back, operand, saved = operation(forward, tensors, kinds)
        hs = tf.ensure_shape(hs, (None, None, hidden))

        def gradient(d_hs: tf.Tensor, _d_last: tf.Tensor) -> tuple[tf.Tensor, ...]:
            kinds = [compute_type] * CELLS[arch].ways
            found = operation(backward, [d_hs, back, keep, saved], kinds)
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
