"""All blocks of a Transformer as one TensorFlow operation, whose inside is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seqgen.models.networks.native.names import LAYERS, fill, places
from seqgen.models.networks.native.products import PANEL
from seqgen.models.networks.native.stack import CHUNK, make_stack
from seqgen.models.networks.native.team import empty, operand_type, operation, pack, run_together
from seqgen.models.parameters import MLP_RATIO

__all__ = ["Weights", "run_blocks"]

Array = NDArray[Any]


class Weights(NamedTuple):
    """Of all blocks, a list of each kind; no convolutions where there are none."""

    convolutions: list[tf.Tensor]
    qkv: list[tf.Tensor]
    output: list[tf.Tensor]
    up: list[tf.Tensor]
    down: list[tf.Tensor]


def _bits(array: Array) -> Array:
    """Operands as numbers that compiled functions know."""
    return array.view(np.uint16 if array.itemsize == 2 else np.uint32)


def _by_kind(panels: Sequence[Array]) -> list[tuple[Array, ...]]:
    """Those of all layers for each of the four kinds of matrices."""
    layers = len(panels) // 4
    return [fill(panels[n : n + layers], LAYERS) for n in range(0, len(panels), layers)]


def _starts(ids: Array) -> tuple[Array, Array]:
    """Where the document of each position begins: the position, and the row."""
    batch, time = ids.shape
    places = np.arange(time, dtype=np.int32)
    starts = np.maximum.accumulate(np.where(ids == 0, places, 0), axis=1, dtype=np.int32)
    return starts, (starts + np.arange(batch, dtype=np.int32)[:, None] * time).reshape(-1)


def run_blocks(
    x: tf.Tensor,
    ids: tf.Tensor,
    cos: tf.Tensor,
    sin: tf.Tensor,
    keeps: tf.Tensor,
    weights: Weights,
    heads: int,
    compute_type: Any,
) -> tf.Tensor:
    """The stream after the last block.

    Args:
        x: the stream before the first, (batch * time, hidden) float32.
        ids: tokens, (batch, time) int32; the boundary token starts a new document.
        cos, sin: see transformer.rotate, (time, width).
        keeps: see make_stack, (2 * layers, batch * time, hidden), or (0, 0, 0).
        compute_type: in which the products take their numbers, float32 or bfloat16.
    """
    narrow = compute_type == tf.bfloat16
    kind = operand_type(narrow)
    hidden, layers = x.shape[-1], len(weights.qkv)
    loops = make_stack(hidden // heads, narrow, places(layers, LAYERS))
    flat = [weight for group in weights for weight in group]
    takes, gives = (1, 1, 1, MLP_RATIO), (3, 1, MLP_RATIO, 1)  # of the products, times hidden

    def panels(rows: int, columns: int) -> tuple[int, int, int]:
        return columns // PANEL, -(-rows // (2 if narrow else 1)), PANEL

    def forward(x: Array, ids: Array, cos: Array, sin: Array, keeps: Array, *flat: Array) -> Any:
        rows, (batch, time) = len(x), ids.shape
        flat_kernels, matrices = flat[: -4 * layers], flat[-4 * layers :]
        kernels = np.ones((layers, 1, hidden), np.float32)
        if flat_kernels:
            kernels = np.stack(flat_kernels)
        by_columns, by_rows = pack(matrices, narrow)
        xs = empty((2 * layers + 1, rows, hidden), np.float32)
        xs[0] = x
        factors = empty((2 * layers, rows), np.float32)
        inverse = empty((layers, batch, heads, time), np.float32)
        made = [empty((layers, rows, n * hidden), kind) for n in (3, 1, MLP_RATIO)]
        qkv, mixed, inner = map(_bits, made)
        taken = [empty((layers, *panels(rows, n * hidden)), np.uint32) for n in takes]
        run_together(
            loops[0], *_starts(ids), cos, sin, kernels, keeps, *_by_kind(by_columns),
            xs, factors, qkv, inverse, mixed, inner, *taken,
        )  # fmt: skip
        return [xs[-1], kernels, xs, factors, inverse, *made, *taken, *by_rows]

    def backward(
        d_x: Array, ids: Array, cos: Array, sin: Array, keeps: Array, *saved: Array
    ) -> Any:
        kernels, xs, factors, inverse, qkv, mixed, inner, *others = saved
        taken, packed = others[:4], others[4:]
        rows = len(d_x)
        found = empty(d_x.shape, np.float32)
        found[:] = d_x
        d_kernels = empty((-(-rows // CHUNK), *kernels.shape), np.float32)
        shapes = [(n * hidden, m * hidden) for n, m in zip(takes, gives, strict=True)]
        d_matrices = [empty((layers, *shape), np.float32) for shape in shapes]
        run_together(
            loops[1], *_starts(ids), cos, sin, kernels, keeps, *_by_kind(packed),
            xs, factors, _bits(qkv), inverse, _bits(mixed), _bits(inner), *taken,
            found, d_kernels, *d_matrices,
            _bits(empty((rows, 3 * hidden), kind)), _bits(empty((rows, hidden), kind)),
            empty((rows, hidden), np.float32),
            *(empty(panels(rows, n * hidden), np.uint32) for n in gives),
        )  # fmt: skip
        return [found, d_kernels.sum(0), *(d for group in d_matrices for d in group)]

    @tf.custom_gradient
    def run(x: tf.Tensor, *flat: tf.Tensor) -> tuple[tf.Tensor, object]:
        given = [ids, cos, sin, keeps]
        packed_kinds = [tf.uint32] * (4 + 4 * layers)
        kinds = [*[tf.float32] * 5, *[compute_type] * 3, *packed_kinds]
        after, *saved = operation(forward, [x, *given, *flat], kinds)

        def gradient(d_after: tf.Tensor) -> tuple[tf.Tensor, ...]:
            kinds = [tf.float32] * (2 + 4 * layers)
            found = operation(backward, [d_after, *given, *saved], kinds)
            d_x, d_kernels, *d_matrices = found
            d_flat = tf.unstack(d_kernels, layers)[: len(flat) - 4 * layers] + d_matrices
            shaped = [tf.ensure_shape(d, w.shape) for d, w in zip(d_flat, flat, strict=True)]
            return tf.ensure_shape(d_x, x.shape), *shaped

        return tf.ensure_shape(after, x.shape), gradient

    return run(x, *flat)
