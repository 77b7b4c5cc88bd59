"""One step of several sequences that are drawn from, as seqgen.models.decoders takes it in NumPy.

A library lays a matrix out anew for each product and gives attention piece by piece; for a few rows
both take longer than the arithmetic. Here a matrix lies in panels (products.py), a row of a head
stays in registers, and a whole step is one call. All is float32, by one thread.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from seqgen.models.networks.native.heads import make_dot
from seqgen.models.networks.native.kept import keep, njit_inner
from seqgen.models.networks.native.lanes import (
    FLOATS,
    LANES,
    LONG,
    Lanes,
    add,
    load,
    load_everywhere,
    store,
    times,
)
from seqgen.models.networks.native.names import drawing_name
from seqgen.models.networks.native.products import PANEL, STEP_BYTES, make_product, tallest
from seqgen.models.networks.native.rows import FAST, NORM_EPSILON
from seqgen.models.networks.native.scores import make_exponentials

__all__ = ["PANEL", "make_multiply", "make_step"]

FLOAT_BYTES = 4
TERMS = 256


@functools.cache
def make_multiply() -> Any:
    """A compiled function (x, panels, y): y = x W.

    Its arguments are x, (rows, inner); W in panels, (columns / PANEL, inner, PANEL); and y, (rows,
    columns).
    """
    multiply = _make_product()

    def whole(x: Any, panels: Any, y: Any) -> None:
        multiply(x, panels, y)

    return keep(njit(whole, nogil=True), *drawing_name(None))


def _make_product() -> Any:
    """See make_multiply. Sums are sums of TERMS at a time, which halves what they lose by rounding:
    a choice that it could turn costs a reading in float64 (see seqgen.sampling.borders)."""
    product = make_product(False, tallest())

    @njit_inner
    def multiply(x: Any, panels: Any, y: Any) -> None:
        rows, steps, x_row = len(x), panels.shape[1], x.shape[1] * FLOAT_BYTES
        part = np.empty((rows, PANEL), np.float32)
        for panel in range(len(panels)):
            at, own = panels[panel].ctypes.data, y[:, panel * PANEL : (panel + 1) * PANEL]
            first = min(TERMS, steps)
            product(
                rows, x.ctypes.data, x_row, at, first, own.ctypes.data, y.shape[1] * FLOAT_BYTES
            )
            for begin in range(first, steps, TERMS):
                product(
                    rows, x.ctypes.data + begin * FLOAT_BYTES, x_row, at + begin * STEP_BYTES,
                    min(TERMS, steps - begin), part.ctypes.data, STEP_BYTES,
                )  # fmt: skip
                for r in range(rows):
                    for j in range(PANEL):
                        own[r, j] += part[r, j]

    return multiply


def _make_gather(width: int) -> Any:
    """A function (factors, x, count, y) of addresses and a number: y of a width += the sum of so
    many rows of x, each times its factor."""
    vectors = width // LANES

    @intrinsic
    def gather(_: Any, _factors: Any, _x: Any, _count: Any, _y: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            factors, x, count, y = arguments
            places = [add(builder, y, n * LANES * FLOAT_BYTES) for n in range(vectors)]
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            row = builder.phi(LONG)
            row.add_incoming(LONG(0), before)
            sums = [builder.phi(FLOATS) for _ in range(vectors)]
            factor = Lanes(
                builder,
                load_everywhere(builder, add(builder, factors, times(builder, row, FLOAT_BYTES))),
            )
            at = add(builder, x, times(builder, row, width * FLOAT_BYTES))
            added = []
            for n, total in enumerate(sums):
                part = load(builder, add(builder, at, n * LANES * FLOAT_BYTES))
                added.append((Lanes(builder, total) + part * factor).value)
                total.add_incoming(ir.Constant(FLOATS, [ir.FloatType()(0.0)] * LANES), before)
                total.add_incoming(added[-1], loop)
            following = add(builder, row, 1)
            row.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
            builder.position_at_end(done)
            for place, total in zip(places, added, strict=True):
                store(builder, load(builder, place) + Lanes(builder, total), place)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), write

    return gather


@functools.cache
def make_step(width: int, count: int) -> Any:
    """The step of a Transformer with heads of a width, a multiple of 16, and so many places for
    matrices; its hidden size is a multiple of 32.

    A compiled function of these, of ``rows`` sequences:
        ids: (rows,) int32.
        embedding: normalised, (vocabulary, hidden).
        panels: query_key_value with pairs of dimensions side by side, output, up and down of each
            layer, as make_multiply takes them; a tuple.
        kernels: of the convolutions, (layers, taps, hidden); of no taps where there are none.
        recent: see transformer.State; it is advanced.
        positions: of the new tokens in their documents, (rows,) int64.
        turns: cosine and sine for each pair, (rows, width / 2, 2).
        keys, values: see cache.Cache; those of the tokens are put in.
        blocks: of each row, (rows, any) intp.
        context: how many positions are seen.
        last: panels of what makes logits.
        logits: to be set, (rows, vocabulary up to a whole panel).
    """
    multiply = _make_product()
    dot, gather = make_dot(width, False), _make_gather(width)
    exponentials = make_exponentials(1.0, False)
    row_bytes = width * FLOAT_BYTES

    @njit_inner(fastmath=FAST)
    def norm(x: Any, y: Any) -> None:
        """y = x / sqrt(mean(x**2)) of each row."""
        for r in range(len(x)):
            total = np.float32(0.0)
            for j in range(x.shape[1]):
                total += x[r, j] * x[r, j]
            mean = total / np.float32(x.shape[1])
            factor = np.float32(1.0) / np.sqrt(mean + np.float32(NORM_EPSILON))
            for j in range(x.shape[1]):
                y[r, j] = x[r, j] * factor

    @njit_inner
    def add_to(x: Any, y: Any) -> None:
        for r in range(len(x)):
            for j in range(x.shape[1]):
                x[r, j] += y[r, j]

    @njit_inner
    def convolve(x: Any, kernel: Any, recent: Any, positions: Any, y: Any) -> None:
        """y = the sum of kernel[tap] * x[t - tap] of each row, within its document."""
        taps = len(kernel)
        for r in range(len(x)):
            for j in range(x.shape[1]):
                y[r, j] = x[r, j] * kernel[0, j]
            for tap in range(1, min(taps, positions[r] + 1)):
                for j in range(x.shape[1]):
                    y[r, j] += recent[r, taps - 1 - tap, j] * kernel[tap, j]
            for tap in range(taps - 2):
                for j in range(x.shape[1]):
                    recent[r, tap, j] = recent[r, tap + 1, j]
            if taps > 1:
                for j in range(x.shape[1]):
                    recent[r, taps - 2, j] = x[r, j]

    @njit_inner
    def turn(x: Any, turns: Any, length: float, y: Any) -> None:
        """y = x with this root of its mean square, its pairs turned."""
        at = x.ctypes.data
        mean = dot(at, at) / np.float32(width)
        factor = np.float32(length) / np.sqrt(mean + np.float32(NORM_EPSILON))
        for pair in range(width // 2):
            cos, sin = turns[pair, 0] * factor, turns[pair, 1] * factor
            a, b = x[2 * pair], x[2 * pair + 1]
            y[2 * pair] = a * cos - b * sin
            y[2 * pair + 1] = a * sin + b * cos

    @njit_inner
    def attend(
        queries: Any, keys: Any, values: Any, blocks: Any, seen: int, scores: Any, y: Any
    ) -> None:
        """y = what the query of each head finds in the first ``seen`` positions of a document.

        Keys, and then values, are read in the order in which they lie, as memory is quickest.
        """
        heads, size = keys.shape[1], keys.shape[2]
        room, row = scores.ctypes.data, scores.shape[1] * FLOAT_BYTES
        for begin in range(0, seen, size):
            key = keys[blocks[begin // size]].ctypes.data
            for head in range(heads):
                at = queries.ctypes.data + head * row_bytes
                for n in range(min(size, seen - begin)):
                    scores[head, begin + n] = dot(at, key + (head * size + n) * row_bytes)
        for head in range(heads):
            for n in range(0, seen, LANES):
                place = room + head * row + n * FLOAT_BYTES
                exponentials(place, place, n, 0, seen)
        y[:] = np.float32(0.0)
        for begin in range(0, seen, size):
            value = values[blocks[begin // size]].ctypes.data
            for head in range(heads):
                gather(
                    room + head * row + begin * FLOAT_BYTES,
                    value + head * size * row_bytes,
                    min(size, seen - begin),
                    y.ctypes.data + head * row_bytes,
                )
        for head in range(heads):
            total = _sum(scores[head, :seen])
            for j in range(head * width, (head + 1) * width):
                y[j] /= total

    def step(
        ids: Any, embedding: Any, panels: Any, kernels: Any, recent: Any, positions: Any,
        turns: Any, keys: Any, values: Any, blocks: Any, context: int, last: Any, logits: Any,
    ) -> None:  # fmt: skip
        rows, hidden = len(ids), embedding.shape[1]
        heads, size = hidden // width, keys.shape[3]
        x = np.empty((rows, hidden), np.float32)
        y, mixed, found = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        qkv = np.empty((rows, 3 * hidden), np.float32)
        inner = np.empty((rows, panels[2].shape[0] * PANEL), np.float32)
        queries = np.empty((heads, width), np.float32)
        scores = np.empty((heads, (context + LANES - 1) // LANES * LANES), np.float32)
        for r in range(rows):
            x[r] = embedding[ids[r]]
        for layer in range(len(keys)):
            norm(x, y)
            if kernels.shape[1]:
                convolve(y, kernels[layer], recent[layer], positions, mixed)
            else:
                mixed[:] = y
            multiply(mixed, panels[4 * layer], qkv)
            for r in range(rows):
                slot = positions[r] % context
                block, place = blocks[r, slot // size], slot % size
                seen = min(positions[r] + 1, context)
                for head in range(heads):
                    own = qkv[r, head * width :]
                    turn(own[hidden:], turns[r], 1.0, keys[layer, block, head, place])
                    value = values[layer, block, head, place]
                    for j in range(width):
                        value[j] = own[2 * hidden + j]
                    # The scores are divided by the root of the width.
                    turn(own, turns[r], width**-0.5, queries[head])
                attend(queries, keys[layer], values[layer], blocks[r], seen, scores, found[r])
            multiply(found, panels[4 * layer + 1], y)
            add_to(x, y)
            norm(x, y)
            multiply(y, panels[4 * layer + 2], inner)
            for r in range(rows):
                for j in range(inner.shape[1]):
                    positive = max(inner[r, j], np.float32(0.0))
                    inner[r, j] = positive * positive
            multiply(inner, panels[4 * layer + 3], y)
            add_to(x, y)
        norm(x, y)
        multiply(y, last, logits)

    return keep(njit(step, nogil=True), *drawing_name(width, count))


@njit_inner(fastmath=FAST)
def _sum(x: Any) -> Any:
    total = np.float32(0.0)
    for j in range(len(x)):
        total += x[j]
    return total
