"""All blocks of a Transformer, ahead and back, shared out among threads.

Between places where they wait for each other, a thread has some chunks of rows, or some heads. What
a row or a head computes does not depend on how many threads there are.

Arrays are C-contiguous; of operands see loops.py. ``rows`` is batch * time, positions one after the
other.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from seqgen.models.networks.native.attention import make_heads
from seqgen.models.networks.native.kept import keep
from seqgen.models.networks.native.loops import wait
from seqgen.models.networks.native.products import (
    PANEL,
    STEP_BYTES,
    make_product,
    share,
    tallest,
)
from seqgen.models.networks.native.rows import FAST, make_rows
from seqgen.models.parameters import MLP_RATIO

__all__ = ["CHUNK", "make_stack"]

CHUNK = 64  # rows


@njit(fastmath=FAST)
def _add_kept(y: Any, x: Any, keep: Any) -> None:
    """y += x * keep."""
    for r in range(len(y)):
        for j in range(y.shape[1]):
            y[r, j] += x[r, j] * keep[r, j]


@njit
def _copy(x: Any, y: Any) -> None:
    for r in range(len(x)):
        for j in range(x.shape[1]):
            y[r, j] = x[r, j]


@njit
def _add(y: Any, x: Any) -> None:
    for r in range(len(y)):
        for j in range(y.shape[1]):
            y[r, j] += x[r, j]


@njit
def _kept(x: Any, keep: Any, y: Any) -> None:
    """y = x * keep."""
    for r in range(len(x)):
        for j in range(x.shape[1]):
            y[r, j] = x[r, j] * keep[r, j]


@functools.cache
def make_stack(width: int, narrow: bool) -> tuple[Any, Any]:
    """The way ahead and the way back for heads of a width, compiled when they are first called,
    which takes some seconds."""
    size = 2 if narrow else 4
    product = make_product(narrow, tallest())
    rows_of = make_rows(narrow)
    mix, mix_back, put = rows_of.mix, rows_of.mix_back, rows_of.put
    activate, activate_back = rows_of.activate, rows_of.activate_back
    head_ahead, head_back = make_heads(width, narrow)

    @njit
    def multiply(begin: int, end: int, x: Any, panels: Any, y: Any) -> None:
        """y[:end - begin] = operands x[begin:end] by a packed matrix."""
        steps = panels.shape[1]
        for panel in range(len(panels)):
            product(
                end - begin,
                x.ctypes.data + begin * x.shape[1] * size,
                x.shape[1] * size,
                panels.ctypes.data + panel * steps * STEP_BYTES,
                steps,
                y.ctypes.data + 4 * panel * PANEL,
                4 * y.shape[1],
            )

    @njit(nogil=True)
    def forward(
        starts: Any, row_starts: Any, cos: Any, sin: Any, kernels: Any, keeps: Any,
        qkv_panels: Any, output_panels: Any, up_panels: Any, down_panels: Any,
        xs: Any, factors: Any, attended: Any, qkv: Any, inverse: Any, mixed: Any,
        normed: Any, inner: Any, activated: Any, counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All blocks ahead.

        Args:
            starts: the position at which the document of each begins, (batch, time) int32.
            row_starts: the same as rows, (rows,).
            cos, sin: see transformer.rotate.
            kernels: of the convolutions, (layers, taps, hidden); one tap of ones for none.
            keeps: what dropout leaves of each number, (2 * layers, rows, hidden), or (0, 0, 0).
            qkv_panels, output_panels, up_panels, down_panels: of each layer, packed by columns,
                (layers, ...).
            xs: the stream before the first block is xs[0]; set to what it is after each part,
                (2 * layers + 1, rows, hidden) float32.
            factors: set to those of the norms, (2 * layers, rows) float32.
            attended, qkv, mixed, normed, inner, activated: set to the operands of each layer,
                what the products take and what the first and third give, (layers, rows, ...).
            inverse: see make_heads, (layers, batch, heads, time).
            counter: one int64, 0.
        """
        layers, rows, hidden = mixed.shape
        _, batch, heads, _ = inverse.shape
        target = 0
        own = np.arange(rows).astype(np.int32)
        ones = np.ones((1, hidden), np.float32)
        wide = np.empty((CHUNK, 3 * hidden), np.float32)
        wider = np.empty((CHUNK, MLP_RATIO * hidden), np.float32)
        slim = np.empty((CHUNK, hidden), np.float32)
        first, last = share((rows + CHUNK - 1) // CHUNK, rank, ranks)
        first_head, last_head = share(batch * heads, rank, ranks)
        for layer in range(layers):
            x, between, after = xs[2 * layer], xs[2 * layer + 1], xs[2 * layer + 2]
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                taps, factor = kernels[layer], factors[2 * layer]
                mix(begin, end, x, row_starts, taps, factor, attended[layer])
                multiply(begin, end, attended[layer], qkv_panels[layer], wide)
                put(wide[: end - begin], qkv[layer], begin)
            target += ranks
            wait(counter.ctypes.data, target)
            for task in range(first_head, last_head):
                head_ahead(task, qkv[layer], starts, cos, sin, mixed[layer], inverse[layer])
            target += ranks
            wait(counter.ctypes.data, target)
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                count = end - begin
                multiply(begin, end, mixed[layer], output_panels[layer], slim)
                _copy(x[begin:end], between[begin:end])
                if len(keeps):
                    _add_kept(between[begin:end], slim[:count], keeps[2 * layer, begin:end])
                else:
                    _add(between[begin:end], slim[:count])
                factor = factors[2 * layer + 1]
                mix(begin, end, between, own, ones, factor, normed[layer])
                multiply(begin, end, normed[layer], up_panels[layer], wider)
                put(wider[:count], inner[layer], begin)
                activate(begin, end, inner[layer], activated[layer])
                multiply(begin, end, activated[layer], down_panels[layer], slim)
                _copy(between[begin:end], after[begin:end])
                if len(keeps):
                    _add_kept(after[begin:end], slim[:count], keeps[2 * layer + 1, begin:end])
                else:
                    _add(after[begin:end], slim[:count])
            target += ranks
            wait(counter.ctypes.data, target)

    @njit(nogil=True)
    def backward(
        starts: Any, row_starts: Any, cos: Any, sin: Any, kernels: Any, keeps: Any,
        qkv_panels: Any, output_panels: Any, up_panels: Any, down_panels: Any,
        xs: Any, factors: Any, qkv: Any, inverse: Any, mixed: Any, inner: Any,
        d_x: Any, d_qkv: Any, d_output: Any, d_inner: Any, d_down: Any, d_kernels: Any,
        d_mixed: Any, d_attended: Any, counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All blocks back.

        Args:
            starts to inverse, mixed, inner: see forward, but the panels are packed by rows.
            d_x: the gradient of the stream after the last block; becomes that before the first,
                (rows, hidden) float32.
            d_qkv, d_output, d_inner, d_down: set to the gradients of what the products gave,
                operands, (layers, rows, ...).
            d_kernels: set to what each chunk adds to the kernels' gradients, (chunks, layers,
                taps, hidden) float32.
            d_mixed, d_attended: room for operands and for float32, (rows, hidden).
        """
        layers, rows, hidden = mixed.shape
        _, batch, heads, _ = inverse.shape
        target = 0
        own = np.arange(rows).astype(np.int32)
        ones = np.ones((1, hidden), np.float32)
        unused = np.empty((1, hidden), np.float32)
        wider = np.empty((CHUNK, MLP_RATIO * hidden), np.float32)
        slim = np.empty((CHUNK, hidden), np.float32)
        first, last = share((rows + CHUNK - 1) // CHUNK, rank, ranks)
        first_head, last_head = share(batch * heads, rank, ranks)
        for later in range(layers):
            layer = layers - 1 - later
            x, between = xs[2 * layer], xs[2 * layer + 1]
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                count = end - begin
                if len(keeps):
                    _kept(d_x[begin:end], keeps[2 * layer + 1, begin:end], slim)
                    put(slim[:count], d_down[layer], begin)
                else:
                    put(d_x[begin:end], d_down[layer], begin)
                multiply(begin, end, d_down[layer], down_panels[layer], wider)
                put(wider[:count], d_inner[layer], begin)
                activate_back(begin, end, inner[layer], d_inner[layer])
                multiply(begin, end, d_inner[layer], up_panels[layer], slim)
                factor = factors[2 * layer + 1]
                mix_back(
                    0, count, slim[:count], between[begin:end], own[:count], ones,
                    factor[begin:end], d_x[begin:end], unused,
                )  # fmt: skip
                if len(keeps):
                    _kept(d_x[begin:end], keeps[2 * layer, begin:end], slim)
                    put(slim[:count], d_output[layer], begin)
                else:
                    put(d_x[begin:end], d_output[layer], begin)
                multiply(begin, end, d_output[layer], output_panels[layer], slim)
                put(slim[:count], d_mixed, begin)
            target += ranks
            wait(counter.ctypes.data, target)
            for task in range(first_head, last_head):
                head_back(
                    task, d_mixed, mixed[layer], qkv[layer], starts, cos, sin, inverse[layer],
                    d_qkv[layer],
                )  # fmt: skip
            target += ranks
            wait(counter.ctypes.data, target)
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                multiply(begin, end, d_qkv[layer], qkv_panels[layer], d_attended[begin:])
            target += ranks
            wait(counter.ctypes.data, target)
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                mix_back(
                    begin, end, d_attended, x, row_starts, kernels[layer], factors[2 * layer],
                    d_x, d_kernels[chunk, layer],
                )  # fmt: skip

    name = ("stack", width, narrow)
    return keep(forward, *name, "forward"), keep(backward, *name, "backward")
