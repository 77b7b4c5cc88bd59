"""Causal attention within documents, by one head of one sequence at a time.

    q, k = rotate(rms_norm(q)), rotate(rms_norm(k))
    E    = exp(q k' / sqrt(width)), 0 where a key is later or of another document
    O    = E v / sum of E

As |q| = |k| = sqrt(width), what is exponentiated lies within sqrt(width), and no maximum need be
taken off first. Nothing of the size (time, time) is kept: the way back makes P = E / sum again
(Dao et al. 2022), once by queries and once by keys, so that each product finds its rows in a row:

    dP = dO v'                        dS = P (dP - sum of dO O) / sqrt(width)
    d_q = dS k,   d_k = dS' q,   d_v = P' dO        of the normalised and rotated q and k

All positions of a sequence are made a multiple of 32, the rest zeros; what these come to is never
used. Of operands see loops.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqgen.models.networks.native.heads import (
    make_dot,
    make_meet,
    make_meet_back,
    make_put_scaled,
)
from seqgen.models.networks.native.kept import njit_inner
from seqgen.models.networks.native.lanes import LANES, make_to_operand
from seqgen.models.networks.native.panels import make_lay, make_turn
from seqgen.models.networks.native.products import PANEL, STEP, STEP_BYTES, make_product, tallest
from seqgen.models.networks.native.rows import FAST
from seqgen.models.networks.native.scores import make_exponentials, make_score_gradients

__all__ = ["make_heads"]

ROWS = 8  # queries or keys that are taken together


def make_heads(width: int, narrow: bool) -> tuple[Any, Any]:
    """Functions for one head of a sequence, ahead and back."""
    scale = 1.0 / math.sqrt(width)
    size, together = (2, 2) if narrow else (4, 1)
    element = np.uint16 if narrow else np.uint32
    steps = width * size // STEP
    product = make_product(narrow, tallest(), whole=True)
    exponentials = make_exponentials(scale, narrow)
    by_query = make_score_gradients(scale, narrow, by_query=True)
    by_key = make_score_gradients(scale, narrow, by_query=False)
    meet, meet_back = make_meet(width, narrow), make_meet_back(width, narrow)
    dot, put_scaled = make_dot(width, narrow), make_put_scaled(width, narrow)
    lay, turn = make_lay(narrow), make_turn(to_bfloat16=False)
    to_operand = make_to_operand(narrow)

    @njit_inner
    def up(number: int) -> int:
        return (number + PANEL - 1) // PANEL * PANEL

    @njit_inner
    def outer(rows: Any) -> Any:
        """Panels of positions, for products over the width, of operands (positions, width)."""
        panels = np.empty((len(rows) // PANEL, steps, PANEL), np.uint32)
        for row in range(0, len(rows), LANES):
            at = rows.ctypes.data + row * width * size
            to = panels.ctypes.data + row // PANEL * steps * STEP_BYTES + 4 * (row % PANEL)
            for step in range(0, steps, LANES):
                turn(at + 4 * step, width * size, to + step * STEP_BYTES, STEP_BYTES)
        return panels

    @njit_inner
    def inner(rows: Any) -> Any:
        """Panels of the width, for products over positions, of operands (positions, width)."""
        panels = np.empty((width // PANEL, len(rows) // together, PANEL), np.uint32)
        lay(len(rows), rows, panels, 0)
        return panels

    @njit_inner
    def by_width(x: int, panels: Any, low: int, high: int, y: Any) -> None:
        """y[:ROWS, low:high]: operands (ROWS, width) by outer panels."""
        for panel in range(low // PANEL, high // PANEL):
            product(
                ROWS,
                x,
                width * size,
                panels.ctypes.data + panel * steps * STEP_BYTES,
                steps,
                y.ctypes.data + 4 * panel * PANEL,
                4 * y.shape[1],
            )

    @njit_inner
    def by_position(x: Any, panels: Any, low: int, high: int, y: int) -> None:
        """(ROWS, width) float32 at y: operands x[:ROWS, low:high] by inner panels."""
        for panel in range(width // PANEL):
            product(
                ROWS,
                x.ctypes.data + low * size,
                x.shape[1] * size,
                panels.ctypes.data + (panel * panels.shape[1] + low // together) * STEP_BYTES,
                (high - low) * size // STEP,
                y + 4 * panel * PANEL,
                4 * width,
            )

    @njit_inner(fastmath=FAST)
    def total_of(x: Any) -> Any:
        total = np.float32(0.0)
        for j in range(len(x)):
            total += x[j]
        return total

    @njit_inner
    def address(operands: Any, row: int, column: int) -> int:
        return operands.ctypes.data + (row * operands.shape[1] + column) * size

    @njit_inner
    def prepare(
        qkv: Any, first_row: int, column: int, cos: Any, sin: Any, time: int, rows: Any
    ) -> None:
        """Queries or keys of a head as they meet."""
        for t in range(time):
            angles = 4 * t * width
            meet(
                address(qkv, first_row + t, column),
                cos.ctypes.data + angles,
                sin.ctypes.data + angles,
                address(rows, t, 0),
            )

    @njit_inner
    def copy(source: Any, first_row: int, column: int, time: int, rows: Any) -> None:
        for t in range(time):
            for j in range(width):
                rows[t, j] = source[first_row + t, column + j]

    @njit_inner
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
            by_width(q[begin:].ctypes.data, keys, low, high, s)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    at = r * positions + place
                    exponentials(
                        s.ctypes.data + 4 * at,
                        e.ctypes.data + size * at,
                        place,
                        starts[b, t],
                        t + 1,
                    )
                inverse[b, head, t] = np.float32(1.0) / total_of(s[r, low:high])
            by_position(e, values, low, high, o.ctypes.data)
            for r in range(n):
                put_scaled(
                    o.ctypes.data + 4 * r * width,
                    inverse.ctypes.data + 4 * ((b * heads + head) * time + begin + r),
                    address(mixed, row + begin + r, column),
                )

    @njit_inner
    def finish(
        d_y: Any, qkv: Any, first_row: int, column: int, cos: Any, sin: Any, d_qkv: Any, time: int
    ) -> None:
        """The way back from normalised and rotated queries or keys."""
        for t in range(time):
            angles = 4 * t * width
            meet_back(
                d_y.ctypes.data + angles,
                address(qkv, first_row + t, column),
                cos.ctypes.data + angles,
                sin.ctypes.data + angles,
                address(d_qkv, first_row + t, column),
            )

    @njit_inner
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
            pull[t] = dot(address(d_mixed, row + t, column), address(mixed, row + t, column))
            scales[t] = inverse[b, head, t]
            ends[t] = end  # where the document of this key ends
            if starts[b, t] == t:
                end = t
        keys, values, queries, d_os = outer(k), outer(v), outer(q), outer(d_o)
        keys_in, queries_in, d_os_in = inner(k), inner(q), inner(d_o)
        for begin in range(0, time, ROWS):
            n = min(ROWS, time - begin)
            low, high = starts[b, begin] // PANEL * PANEL, up(begin + n)
            by_width(q[begin:].ctypes.data, keys, low, high, s)
            by_width(d_o[begin:].ctypes.data, values, low, high, dp)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    at = r * positions + place
                    by_query(
                        s.ctypes.data + 4 * at,
                        dp.ctypes.data + 4 * at,
                        scales.ctypes.data + 4 * t,
                        pull.ctypes.data + 4 * t,
                        p.ctypes.data + size * at,
                        ds.ctypes.data + size * at,
                        place,
                        starts[b, t],
                        t + 1,
                    )
            by_position(ds, keys_in, low, high, d_q[begin:].ctypes.data)
        for begin in range(0, time, ROWS):
            n = min(ROWS, time - begin)
            low, high = begin // PANEL * PANEL, up(ends[begin + n - 1])
            by_width(k[begin:].ctypes.data, queries, low, high, s)
            by_width(v[begin:].ctypes.data, d_os, low, high, dp)
            for r in range(n):
                t = begin + r
                for place in range(low, high, LANES):
                    at = r * positions + place
                    by_key(
                        s.ctypes.data + 4 * at,
                        dp.ctypes.data + 4 * at,
                        scales.ctypes.data + 4 * place,
                        pull.ctypes.data + 4 * place,
                        p.ctypes.data + size * at,
                        ds.ctypes.data + size * at,
                        place,
                        t,
                        ends[t],
                    )
            by_position(p, d_os_in, low, high, d_v[begin:].ctypes.data)
            by_position(ds, queries_in, low, high, d_k[begin:].ctypes.data)
        finish(d_q, qkv, row, column, cos, sin, d_qkv, time)
        finish(d_k, qkv, row, hidden + column, cos, sin, d_qkv, time)
        for t in range(time):
            to = address(d_qkv, row + t, 2 * hidden + column)
            for j in range(0, width, LANES):
                to_operand(d_v.ctypes.data + 4 * (t * width + j), to + size * j)

    return ahead, back
