"""Matrices laid out in panels, so that a product reads both its factors in the order they lie in.

A step of a panel is 32 words of four bytes (see products.py). Rows are woven into panels where a
product runs over the rows: a step has 32 numbers of one row, or, of bfloat16, 32 pairs out of two.
They are turned where it runs over the columns: a step has a word of each of 32 rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from seqgen.models.networks.native.kept import keep, njit_inner
from seqgen.models.networks.native.lanes import (
    BFLOAT,
    FLOAT,
    INTS,
    LANES,
    add,
    pointer,
    shuffle,
    times,
)
from seqgen.models.networks.native.names import pack_name
from seqgen.models.networks.native.products import PANEL, STEP_BYTES, share

__all__ = ["make_lay", "make_pack", "make_turn"]

I64 = types.int64
HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.load(pointer(builder, address), typ=kind, align=2)


def _load_halves(builder: ir.IRBuilder, address: ir.Value, *, convert: bool) -> ir.Value:
    """Thirty-two bfloat16 numbers, made of float32 ones if they are to be converted."""
    if not convert:
        return _load(builder, address, HALVES)
    wide = _load(builder, address, ir.VectorType(FLOAT, 2 * LANES))
    narrow = builder.fptrunc(wide, ir.VectorType(BFLOAT, 2 * LANES))
    return builder.bitcast(narrow, HALVES)


def _transpose(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Sixteen vectors of sixteen words, turned: blocks of 1, 2, 4 and 8 change places."""
    for size in (1, 2, 4, 8):
        upper = [n & ~size | (n & size and LANES) for n in range(LANES)]
        lower = [place + size for place in upper]
        for n in range(LANES):
            if not n & size:
                pair = rows[n], rows[n + size]
                # Where bit ``size`` is set a number comes from the second row.
                rows[n] = shuffle(builder, *pair, upper)
                rows[n + size] = shuffle(builder, *pair, lower)
    return rows


def make_turn(*, to_bfloat16: bool) -> Any:
    """A function (source, source_row, target, target_row) of addresses and distances in bytes:
    word number s of row j, of sixteen by sixteen, becomes word number j of row s.

    Args:
        to_bfloat16: whether the source is float32 numbers, of which two become a word.
    """

    @intrinsic
    def turn(_: Any, _source: Any, _source_row: Any, _target: Any, _target_row: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            source, source_row, target, target_row = arguments
            rows = []
            for n in range(LANES):
                at = add(builder, source, times(builder, source_row, n))
                if to_bfloat16:
                    halves = _load_halves(builder, at, convert=True)
                    rows.append(builder.bitcast(halves, INTS))
                else:
                    rows.append(_load(builder, at, INTS))
            for n, row in enumerate(_transpose(builder, rows)):
                at = add(builder, target, times(builder, target_row, n))
                builder.store(row, pointer(builder, at), align=4)
            return context.get_dummy_value()

        return types.void(*[I64] * 4), write

    return turn


def _make_weave(narrow: bool, *, convert: bool) -> Any:
    """A function (first, second, step) of addresses: 32 columns of two rows become a step; of the
    first alone if not narrow."""

    @intrinsic
    def weave(_: Any, _first: Any, _second: Any, _step: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            first, second, step = arguments
            if narrow:
                pair = [_load_halves(builder, at, convert=convert) for at in (first, second)]
                for n in range(2):
                    places = [n * LANES + j // 2 + j % 2 * PANEL for j in range(PANEL)]
                    woven = shuffle(builder, pair[0], pair[1], places)
                    to = pointer(builder, add(builder, step, n * STEP_BYTES // 2))
                    builder.store(woven, to, align=4)
            else:
                row = _load(builder, first, ir.VectorType(FLOAT, PANEL))
                builder.store(row, pointer(builder, step), align=4)
            return context.get_dummy_value()

        return types.void(*[I64] * 3), write

    return weave


def make_lay(narrow: bool) -> Any:
    """A compiled function (count, x, panels, row).

    It weaves the first rows of x, operands (rows, columns), into panels (columns / PANEL, steps,
    PANEL), where they are the rows from ``row`` on, an even number. What would make a last pair of
    an odd row is zeros.
    """
    weave = _make_weave(narrow, convert=False)
    together, size = (2, 2) if narrow else (1, 4)

    @njit_inner
    def lay(count: int, x: Any, panels: Any, row: int) -> None:
        nothing = np.zeros(PANEL, np.float32)
        width = x.shape[1] * size
        for panel in range(len(panels)):
            at = x.ctypes.data + panel * PANEL * size
            to = panels.ctypes.data
            to += (panel * panels.shape[1] + row // together) * STEP_BYTES
            for n in range(0, count - together + 1, together):
                weave(at + n * width, at + (n + together - 1) * width, to)
                to += STEP_BYTES
            if count % together:
                weave(at + (count - 1) * width, nothing.ctypes.data, to)

    return lay


def make_pack(narrow: bool, places: int) -> Any:
    """A compiled function (count, matrices, by_columns, by_rows, counter, rank, ranks).

    It lays float32 matrices out: their columns as panels, for x W; and their rows, for x W'. All
    are tuples of so many places, of which those up to ``count`` are meant.

    Panels are (columns / PANEL, rows / 2, PANEL) uint32 of a matrix (rows, columns), or the other
    way round; rows / 1 if not narrow.
    """
    together = 2 if narrow else 1
    weave, turn = _make_weave(narrow, convert=True), make_turn(to_bfloat16=narrow)

    @njit_inner
    def columns(matrix: Any, panels: Any, rank: int, ranks: int) -> None:
        first, last = share(len(panels), rank, ranks)
        width = 4 * matrix.shape[1]
        for panel in range(first, last):
            at = matrix.ctypes.data + 4 * panel * PANEL
            to = panels.ctypes.data + panel * panels.shape[1] * STEP_BYTES
            for step in range(panels.shape[1]):
                row = at + step * together * width
                weave(row, row + (together - 1) * width, to + step * STEP_BYTES)

    @njit_inner
    def rows(matrix: Any, panels: Any, rank: int, ranks: int) -> None:
        first, last = share(len(panels), rank, ranks)
        width = 4 * matrix.shape[1]
        for panel in range(first, last):
            at = matrix.ctypes.data + panel * PANEL * width
            to = panels.ctypes.data + panel * panels.shape[1] * STEP_BYTES
            for step in range(0, panels.shape[1], LANES):
                for half in range(0, PANEL, LANES):
                    turn(
                        at + half * width + 4 * step * together,
                        width,
                        to + step * STEP_BYTES + 4 * half,
                        STEP_BYTES,
                    )

    @njit(nogil=True)
    def pack(
        count: int, matrices: Any, by_columns: Any, by_rows: Any,
        _counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        for n in range(count):
            columns(matrices[n], by_columns[n], rank, ranks)
            rows(matrices[n], by_rows[n], rank, ranks)

    return keep(pack, *pack_name(narrow, places))
