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
from seqgen.models.networks.native.kept import keep, njit_inner
from seqgen.models.networks.native.loops import wait
from seqgen.models.networks.native.names import stack_name
from seqgen.models.networks.native.panels import make_lay
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

CHUNK = 64  # rows, an even number
BLOCK = 128  # steps of a panel that stay near the processor


@njit_inner(fastmath=FAST)
def _add_kept(y: Any, x: Any, keep: Any) -> None:
    """y += x * keep."""
    for r in range(len(y)):
        for j in range(y.shape[1]):
            y[r, j] += x[r, j] * keep[r, j]


@njit_inner
def _copy(x: Any, y: Any) -> None:
    for r in range(len(x)):
        for j in range(x.shape[1]):
            y[r, j] = x[r, j]


@njit_inner
def _add(y: Any, x: Any) -> None:
    for r in range(len(y)):
        for j in range(y.shape[1]):
            y[r, j] += x[r, j]


@njit_inner
def _kept(x: Any, keep: Any, y: Any) -> None:
    """y = x * keep."""
    for r in range(len(x)):
        for j in range(x.shape[1]):
            y[r, j] = x[r, j] * keep[r, j]


@functools.cache
def make_stack(width: int, narrow: bool, count: int) -> tuple[Any, Any]:
    """The way ahead and the way back for heads of a width, with places for the matrices of so many
    layers; compiled when they are first called, which takes some seconds."""
    size = 2 if narrow else 4
    product = make_product(narrow, tallest())
    rows_of = make_rows(narrow)
    mix, mix_back, put = rows_of.mix, rows_of.mix_back, rows_of.put
    activate, activate_back = rows_of.activate, rows_of.activate_back
    head_ahead, head_back = make_heads(width, narrow)
    lay = make_lay(narrow)
    across = make_product(narrow, tallest(), x_step=STEP_BYTES, adding=True, whole=True)
    element = np.uint16 if narrow else np.uint32

    @njit_inner
    def differentiate(x: Any, dy: Any, dw: Any, rank: int, ranks: int) -> None:
        """dw = x' dy of two panels' operands: of its blocks of 32 x 32, those that are a
        thread's."""
        first, last = share(len(x) * len(dy), rank, ranks)
        row = 4 * dw.shape[1]
        for begin in range(0, x.shape[1], BLOCK):
            steps = min(BLOCK, x.shape[1] - begin)
            for task in range(first, last):
                n, m = task // len(x), task % len(x)
                if begin == 0:
                    for i in range(m * PANEL, (m + 1) * PANEL):
                        for j in range(n * PANEL, (n + 1) * PANEL):
                            dw[i, j] = 0.0
                across(
                    PANEL,
                    x.ctypes.data + (m * x.shape[1] + begin) * STEP_BYTES,
                    4,
                    dy.ctypes.data + (n * dy.shape[1] + begin) * STEP_BYTES,
                    steps,
                    dw.ctypes.data + m * PANEL * row + 4 * n * PANEL,
                    row,
                )

    @njit_inner
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
        xs: Any, factors: Any, qkv: Any, inverse: Any, mixed: Any, inner: Any,
        qkv_takes: Any, output_takes: Any, up_takes: Any, down_takes: Any,
        counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All blocks ahead.

        Args:
            starts: the position at which the document of each begins, (batch, time) int32.
            row_starts: the same as rows, (rows,).
            cos, sin: see transformer.rotate.
            kernels: of the convolutions, (layers, taps, hidden); one tap of ones for none.
            keeps: what dropout leaves of each number, (2 * layers, rows, hidden), or (0, 0, 0).
            qkv_panels, output_panels, up_panels, down_panels: of each layer, packed by columns,
                in tuples that may have more places than there are layers.
            xs: the stream before the first block is xs[0]; set to what it is after each part,
                (2 * layers + 1, rows, hidden) float32.
            factors: set to those of the norms, (2 * layers, rows) float32.
            qkv, mixed, inner: set to what the first product, the heads and the third product
                give, operands, (layers, rows, ...).
            inverse: see make_heads, (layers, batch, heads, time).
            qkv_takes, output_takes, up_takes, down_takes: set to the operands that are multiplied,
                in panels of the rows, (layers, columns / PANEL, steps, PANEL).
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
        taken = np.empty((CHUNK, hidden), element)
        activated = np.empty((CHUNK, MLP_RATIO * hidden), element)
        first, last = share((rows + CHUNK - 1) // CHUNK, rank, ranks)
        first_head, last_head = share(batch * heads, rank, ranks)
        for layer in range(layers):
            x, between, after = xs[2 * layer], xs[2 * layer + 1], xs[2 * layer + 2]
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                taps, factor = kernels[layer], factors[2 * layer]
                mix(begin, end, x, row_starts, taps, factor, taken)
                lay(end - begin, taken, qkv_takes[layer], begin)
                multiply(0, end - begin, taken, qkv_panels[layer], wide)
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
                lay(count, mixed[layer, begin:end], output_takes[layer], begin)
                multiply(begin, end, mixed[layer], output_panels[layer], slim)
                _copy(x[begin:end], between[begin:end])
                if len(keeps):
                    _add_kept(between[begin:end], slim[:count], keeps[2 * layer, begin:end])
                else:
                    _add(between[begin:end], slim[:count])
                factor = factors[2 * layer + 1]
                mix(begin, end, between, own, ones, factor, taken)
                lay(count, taken, up_takes[layer], begin)
                multiply(0, count, taken, up_panels[layer], wider)
                put(wider[:count], inner[layer], begin)
                activate(inner[layer, begin:end], activated)
                lay(count, activated, down_takes[layer], begin)
                multiply(0, count, activated, down_panels[layer], slim)
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
        qkv_takes: Any, output_takes: Any, up_takes: Any, down_takes: Any,
        d_x: Any, d_kernels: Any, d_qkv_matrix: Any, d_output_matrix: Any, d_up_matrix: Any,
        d_down_matrix: Any, d_qkv: Any, d_mixed: Any, d_attended: Any,
        qkv_gives: Any, output_gives: Any, up_gives: Any, down_gives: Any,
        counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All blocks back.

        Args:
            starts to down_takes: see forward, but the panels are packed by rows.
            d_x: the gradient of the stream after the last block; becomes that before the first,
                (rows, hidden) float32.
            d_kernels: set to what each chunk adds to the kernels' gradients, (chunks, layers,
                taps, hidden) float32.
            d_qkv_matrix, d_output_matrix, d_up_matrix, d_down_matrix: set to the matrices'
                gradients, (layers, ...) float32.
            d_qkv, d_mixed, d_attended: room for operands and, the last, for float32, (rows, ...).
            qkv_gives, output_gives, up_gives, down_gives: room for the gradients of what a layer's
                products give, in panels, (columns / PANEL, steps, PANEL).
        """
        layers, rows, hidden = mixed.shape
        _, batch, heads, _ = inverse.shape
        target = 0
        own = np.arange(rows).astype(np.int32)
        ones = np.ones((1, hidden), np.float32)
        unused = np.empty((1, hidden), np.float32)
        wider = np.empty((CHUNK, MLP_RATIO * hidden), np.float32)
        slim = np.empty((CHUNK, hidden), np.float32)
        given = np.empty((CHUNK, hidden), element)
        d_inner = np.empty((CHUNK, MLP_RATIO * hidden), element)
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
                    put(slim[:count], given, 0)
                else:
                    put(d_x[begin:end], given, 0)
                lay(count, given, down_gives, begin)
                multiply(0, count, given, down_panels[layer], wider)
                put(wider[:count], d_inner, 0)
                activate_back(inner[layer, begin:end], d_inner)
                lay(count, d_inner, up_gives, begin)
                multiply(0, count, d_inner, up_panels[layer], slim)
                factor = factors[2 * layer + 1]
                mix_back(
                    0, count, slim[:count], between[begin:end], own[:count], ones,
                    factor[begin:end], d_x[begin:end], unused,
                )  # fmt: skip
                if len(keeps):
                    _kept(d_x[begin:end], keeps[2 * layer, begin:end], slim)
                    put(slim[:count], given, 0)
                else:
                    put(d_x[begin:end], given, 0)
                lay(count, given, output_gives, begin)
                multiply(0, count, given, output_panels[layer], slim)
                put(slim[:count], d_mixed, begin)
            target += ranks
            wait(counter.ctypes.data, target)
            for task in range(first_head, last_head):
                head_back(
                    task, d_mixed, mixed[layer], qkv[layer], starts, cos, sin, inverse[layer],
                    d_qkv,
                )  # fmt: skip
            target += ranks
            wait(counter.ctypes.data, target)
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                lay(end - begin, d_qkv[begin:end], qkv_gives, begin)
                multiply(begin, end, d_qkv, qkv_panels[layer], d_attended[begin:])
            target += ranks
            wait(counter.ctypes.data, target)
            for chunk in range(first, last):
                begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
                mix_back(
                    begin, end, d_attended, x, row_starts, kernels[layer], factors[2 * layer],
                    d_x, d_kernels[chunk, layer],
                )  # fmt: skip
            differentiate(qkv_takes[layer], qkv_gives, d_qkv_matrix[layer], rank, ranks)
            differentiate(output_takes[layer], output_gives, d_output_matrix[layer], rank, ranks)
            differentiate(up_takes[layer], up_gives, d_up_matrix[layer], rank, ranks)
            differentiate(down_takes[layer], down_gives, d_down_matrix[layer], rank, ranks)
            target += ranks
            wait(counter.ctypes.data, target)

    name = stack_name(width, narrow, count)
    return keep(forward, *name, "forward"), keep(backward, *name, "backward")
