"""Causal attention within documents, by one head of one sequence at a time.

    q, k = rotate(rms_norm(q)), rotate(rms_norm(k))
    E    = exp(q k' / sqrt(width)), 0 where a key is later or of another document
    O    = E v / sum of E

As |q| = |k| = sqrt(width), what is exponentiated lies within sqrt(width), and no maximum need be
taken off first. Nothing of the size (time, time) is kept: the way back makes P = E / sum again
(Dao et al. 2022), once by queries and once by keys, so that each product finds its rows in a row:

    dP = dO v'                        dS = P (dP - sum of dO O) / sqrt(width)
    d_q = dS k,   d_k = dS' q,   d_v = P' dO        of the normalised and rotated q and k

All positions of a sequence are made a multiple of 32, the rest zeros. Of operands see loops.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from seqgen.models.networks.native.lanes import (
    INT,
    INTS,
    LANES,
    Lanes,
    load,
    load_everywhere,
    make_copies,
    shuffle,
    store,
)
from seqgen.models.networks.native.products import PANEL, STEP, STEP_BYTES, make_product, tallest
from seqgen.models.networks.native.rows import FAST, NORM_EPSILON

__all__ = ["make_heads"]

I64 = types.int64
ROWS = 8  # queries or keys that are taken together


def _everywhere(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    """A 64-bit number in all lanes, as 32 bits."""
    nothing = ir.Constant(INTS, ir.Undefined)
    one = builder.insert_element(nothing, builder.trunc(number, INT), INT(0))
    return shuffle(builder, one, nothing, [0] * LANES)


def _kept(
    builder: ir.IRBuilder, value: Lanes, place: ir.Value, first: ir.Value, last: ir.Value
) -> Lanes:
    """The lanes, the first of which is number ``place``, but 0 before ``first`` and from ``last``
    on."""
    numbers = ir.Constant(INTS, list(range(LANES)))
    places = builder.add(_everywhere(builder, place), numbers)
    inside = builder.and_(
        builder.icmp_signed(">=", places, _everywhere(builder, first)),
        builder.icmp_signed("<", places, _everywhere(builder, last)),
    )
    return Lanes(builder, builder.select(inside, value.value, ir.Constant(value.value.type, None)))


def _make_exponentials(scale: float, narrow: bool) -> Any:
    """E of sixteen scores: s at its address becomes E, as an operand too."""

    @intrinsic
    def exponentials(_: Any, _s: Any, _e: Any, _place: Any, _first: Any, _last: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            s, e, place, first, last = arguments
            value = (load(builder, s) * scale).exp()
            value = _kept(builder, value, place, first, last)
            store(builder, value, s)
            store(builder, value, e, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 5), write

    return exponentials


def _make_score_gradients(scale: float, narrow: bool, *, by_query: bool) -> Any:
    """P and dS of sixteen scores, as operands, from s, dP, 1 / sum of E and sum of dO O.

    The last two are one number each where the lanes are keys, sixteen where they are queries.
    """

    @intrinsic
    def gradients(
        _: Any, _s: Any, _dp: Any, _inverse: Any, _pull: Any,
        _p: Any, _ds: Any, _place: Any, _first: Any, _last: Any,
    ) -> Any:  # fmt: skip
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            s, dp, inverse, pull, p_at, ds_at, place, first, last = arguments

            def of_query(address: ir.Value) -> Lanes:
                if by_query:
                    return Lanes(builder, load_everywhere(builder, address))
                return load(builder, address)

            p = (load(builder, s) * scale).exp() * of_query(inverse)
            p = _kept(builder, p, place, first, last)
            ds = p * (load(builder, dp) - of_query(pull)) * scale
            store(builder, p, p_at, narrow=narrow)
            store(builder, ds, ds_at, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 9), write

    return gradients


def make_heads(width: int, narrow: bool) -> tuple[Any, Any]:
    """Functions for one head of a sequence, ahead and back."""
    scale = 1.0 / math.sqrt(width)
    size, together = (2, 2) if narrow else (4, 1)
    element = np.uint16 if narrow else np.uint32
    half, steps = width // 2, width * size // STEP
    product = make_product(narrow, tallest())
    exponentials = _make_exponentials(scale, narrow)
    by_query = _make_score_gradients(scale, narrow, by_query=True)
    by_key = _make_score_gradients(scale, narrow, by_query=False)
    widen, to_operand = make_copies(narrow)

    @njit
    def up(number: int) -> int:
        return (number + PANEL - 1) // PANEL * PANEL

    @njit
    def outer(rows: Any) -> Any:
        """Panels of positions, for products over the width, of operands (positions, width)."""
        words = rows.view(np.uint32)
        panels = np.empty((len(rows) // PANEL, steps, PANEL), np.uint32)
        for panel in range(panels.shape[0]):
            for step in range(steps):
                for j in range(PANEL):
                    panels[panel, step, j] = words[panel * PANEL + j, step]
        return panels

    @njit
    def inner(rows: Any) -> Any:
        """Panels of the width, for products over positions, of operands (positions, width)."""
        shape = (width // PANEL, len(rows) // together, PANEL, together)
        panels = np.empty(shape, element)
        for panel in range(shape[0]):
            for step in range(shape[1]):
                for j in range(PANEL):
                    for i in range(together):
                        panels[panel, step, j, i] = rows[step * together + i, panel * PANEL + j]
        return panels

    @njit
    def by_width(rows: int, x: int, panels: Any, low: int, high: int, y: Any) -> None:
        """y[:rows, low:high]: operands (rows, width) by outer panels."""
        for panel in range(low // PANEL, high // PANEL):
            product(
                rows,
                x,
                width * size,
                panels.ctypes.data + panel * steps * STEP_BYTES,
                steps,
                y.ctypes.data + 4 * panel * PANEL,
                4 * y.shape[1],
            )

    @njit
    def by_position(rows: int, x: Any, panels: Any, low: int, high: int, y: int) -> None:
        """(rows, width) float32 at y: operands x[:rows, low:high] by inner panels."""
        for panel in range(width // PANEL):
            product(
                rows,
                x.ctypes.data + low * size,
                x.shape[1] * size,
                panels.ctypes.data + (panel * panels.shape[1] + low // together) * STEP_BYTES,
                (high - low) * size // STEP,
                y + 4 * panel * PANEL,
                4 * width,
            )

    @njit
    def take(source: Any, row: int, column: int, x: Any) -> None:
        """x becomes an operand's row of a head."""
        at = source.ctypes.data + (row * source.shape[1] + column) * size
        for j in range(0, width, LANES):
            widen(at + j * size, x.ctypes.data + 4 * j)

    @njit
    def put(x: Any, target: Any, row: int, column: int) -> None:
        """An operand's row of a head becomes x."""
        at = target.ctypes.data + (row * target.shape[1] + column) * size
        for j in range(0, width, LANES):
            to_operand(x.ctypes.data + 4 * j, at + j * size)

    @njit(fastmath=FAST)
    def normalise(x: Any) -> Any:
        """x / sqrt(mean(x**2)) in place; the factor."""
        total = np.float32(0.0)
        for j in range(width):
            total += x[j] * x[j]
        mean = total / np.float32(width) + np.float32(NORM_EPSILON)
        factor = np.float32(1.0) / np.sqrt(mean)
        for j in range(width):
            x[j] *= factor
        return factor

    @njit(fastmath=FAST)
    def rotate(x: Any, cos: Any, sin: Any, y: Any) -> None:
        """See transformer.rotate."""
        for j in range(half):
            y[j] = x[j] * cos[j] + x[j + half] * sin[j]
            y[j + half] = x[j + half] * cos[j + half] + x[j] * sin[j + half]

    @njit(fastmath=FAST)
    def rotate_back(dy: Any, cos: Any, sin: Any, dx: Any) -> None:
        for j in range(half):
            dx[j] = dy[j] * cos[j] + dy[j + half] * sin[j + half]
            dx[j + half] = dy[j + half] * cos[j + half] + dy[j] * sin[j]

    @njit(fastmath=FAST)
    def dot(x: Any, y: Any) -> Any:
        total = np.float32(0.0)
        for j in range(len(x)):
            total += x[j] * y[j]
        return total

    @njit(fastmath=FAST)
    def total_of(x: Any) -> Any:
        total = np.float32(0.0)
        for j in range(len(x)):
            total += x[j]
        return total

    @njit
    def prepare(
        qkv: Any, first_row: int, column: int, cos: Any, sin: Any, time: int, rows: Any
    ) -> None:
        """Queries or keys of a head as they meet."""
        x, y = np.empty(width, np.float32), np.empty(width, np.float32)
        for t in range(time):
            take(qkv, first_row + t, column, x)
            normalise(x)
            rotate(x, cos[t], sin[t], y)
            put(y, rows, t, 0)

    @njit
    def copy(source: Any, first_row: int, column: int, time: int, rows: Any) -> None:
        for t in range(time):
            for j in range(width):
                rows[t, j] = source[first_row + t, column + j]

    @njit
    def ahead(
        task: int, qkv: Any, starts: Any, cos: Any, sin: Any, mixed: Any, inverse: Any
    ) -> None:
        """A head of a sequence.

        Args:
            task: its number, counted through the heads and then through the sequences.
            qkv: queries, keys and values of all heads, (batch * time, 3 * hidden) operands.
            starts: where the document of each position begins, (batch, time) int32.
            cos, sin: see transformer.rotate, (time, width).
            mixed: set to O, (batch * time, hidden) operands.
            inverse: set to 1 / sum of E, (batch, heads, time).
        """
        _, heads, time = inverse.shape
        hidden, positions = heads * width, up(time)
        q = np.zeros((positions, width), element)
        k = np.zeros((positions, width), element)
        v = np.zeros((positions, width), element)
        s = np.empty((ROWS, positions), np.float32)
        e = np.empty((ROWS, positions), element)
        o = np.empty((ROWS, width), np.float32)
        b, head = task // heads, task % heads
        row, column = b * time, head * width
        prepare(qkv, row, column, cos, sin, time, q)
        prepare(qkv, row, hidden + column, cos, sin, time, k)
        copy(qkv, row, 2 * hidden + column, time, v)
        keys, values = outer(k), inner(v)
        for begin in range(0, time, ROWS):
            n = min(ROWS, time - begin)
            low, high = starts[b, begin] // PANEL * PANEL, up(begin + n)
            by_width(n, q[begin:].ctypes.data, keys, low, high, s)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    exponentials(
                        s[r, place:].ctypes.data,
                        e[r, place:].ctypes.data,
                        place,
                        starts[b, t],
                        t + 1,
                    )
                inverse[b, head, t] = np.float32(1.0) / total_of(s[r, low:high])
            by_position(n, e, values, low, high, o.ctypes.data)
            for r in range(n):
                for j in range(width):
                    o[r, j] *= inverse[b, head, begin + r]
                put(o[r], mixed, row + begin + r, column)

    @njit
    def finish(
        d_y: Any, qkv: Any, first_row: int, column: int, cos: Any, sin: Any, d_qkv: Any, time: int
    ) -> None:
        """The way back from normalised and rotated queries or keys."""
        x, d_x = np.empty(width, np.float32), np.empty(width, np.float32)
        for t in range(time):
            take(qkv, first_row + t, column, x)
            factor = normalise(x)
            rotate_back(d_y[t], cos[t], sin[t], d_x)
            mean = dot(d_x, x) / np.float32(width)
            for j in range(width):
                d_x[j] = factor * (d_x[j] - x[j] * mean)
            put(d_x, d_qkv, first_row + t, column)

    @njit
    def back(
        task: int, d_mixed: Any, mixed: Any, qkv: Any, starts: Any, cos: Any, sin: Any,
        inverse: Any, d_qkv: Any,
    ) -> None:  # fmt: skip
        """The same back.

        Args:
            task: see ahead.
            d_mixed: (batch * time, hidden) operands.
            mixed, qkv, starts, cos, sin, inverse: see ahead.
            d_qkv: set to the gradient of qkv, operands.
        """
        _, heads, time = inverse.shape
        hidden, positions = heads * width, up(time)
        q = np.zeros((positions, width), element)
        k = np.zeros((positions, width), element)
        v = np.zeros((positions, width), element)
        d_o = np.zeros((positions, width), element)
        s = np.empty((ROWS, positions), np.float32)
        dp = np.empty((ROWS, positions), np.float32)
        p = np.empty((ROWS, positions), element)
        ds = np.empty((ROWS, positions), element)
        d_q = np.empty((positions, width), np.float32)
        d_k = np.empty((positions, width), np.float32)
        d_v = np.empty((positions, width), np.float32)
        pull, scales = np.zeros(positions, np.float32), np.zeros(positions, np.float32)
        x, y = np.empty(width, np.float32), np.empty(width, np.float32)
        ends = np.empty(time, np.int64)
        b, head = task // heads, task % heads
        row, column = b * time, head * width
        prepare(qkv, row, column, cos, sin, time, q)
        prepare(qkv, row, hidden + column, cos, sin, time, k)
        copy(qkv, row, 2 * hidden + column, time, v)
        copy(d_mixed, row, column, time, d_o)
        end = time
        for later in range(time):
            t = time - 1 - later
            take(d_mixed, row + t, column, x)
            take(mixed, row + t, column, y)
            pull[t], scales[t] = dot(x, y), inverse[b, head, t]
            ends[t] = end  # where the document of this key ends
            if starts[b, t] == t:
                end = t
        keys, values, queries, d_os = outer(k), outer(v), outer(q), outer(d_o)
        keys_in, queries_in, d_os_in = inner(k), inner(q), inner(d_o)
        for begin in range(0, time, ROWS):
            n = min(ROWS, time - begin)
            low, high = starts[b, begin] // PANEL * PANEL, up(begin + n)
            by_width(n, q[begin:].ctypes.data, keys, low, high, s)
            by_width(n, d_o[begin:].ctypes.data, values, low, high, dp)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    by_query(
                        s[r, place:].ctypes.data,
                        dp[r, place:].ctypes.data,
                        scales[t:].ctypes.data,
                        pull[t:].ctypes.data,
                        p[r, place:].ctypes.data,
                        ds[r, place:].ctypes.data,
                        place,
                        starts[b, t],
                        t + 1,
                    )
            by_position(n, ds, keys_in, low, high, d_q[begin:].ctypes.data)
        for begin in range(0, time, ROWS):
            n = min(ROWS, time - begin)
            low, high = begin // PANEL * PANEL, up(ends[begin + n - 1])
            by_width(n, k[begin:].ctypes.data, queries, low, high, s)
            by_width(n, v[begin:].ctypes.data, d_os, low, high, dp)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    by_key(
                        s[r, place:].ctypes.data,
                        dp[r, place:].ctypes.data,
                        scales[place:].ctypes.data,
                        pull[place:].ctypes.data,
                        p[r, place:].ctypes.data,
                        ds[r, place:].ctypes.data,
                        place,
                        t,
                        ends[t],
                    )
            by_position(n, p, d_os_in, low, high, d_v[begin:].ctypes.data)
            by_position(n, ds, queries_in, low, high, d_k[begin:].ctypes.data)
        finish(d_q, qkv, row, column, cos, sin, d_qkv, time)
        finish(d_k, qkv, row, hidden + column, cos, sin, d_qkv, time)
        for t in range(time):
            put(d_v[t], d_qkv, row + t, 2 * hidden + column)

    return ahead, back
