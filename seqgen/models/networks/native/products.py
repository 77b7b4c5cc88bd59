"""Products of a few rows with a matrix that is laid out for them once and read many times.

A library that multiplies matrices lays the larger one out anew for each product, which for the few
rows of a time step takes longer than the product. Here the matrix U lies in panels of 32 columns.
A panel holds, one after the other, what a row's next four bytes meet: 32 float32 numbers, or 32
pairs of bfloat16 numbers, which the processor multiplies and adds in one instruction (dpbf16ps).
A tile of the product, up to eight rows by one panel, stays in registers until it is done.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from seqgen.models.networks.native.kept import njit_inner
from seqgen.models.networks.native.lanes import (
    BFLOAT,
    FLOAT,
    FLOATS,
    INTS,
    LANES,
    LONG,
    add,
    load,
    load_everywhere,
    pointer,
    times,
)

__all__ = [
    "PANEL",
    "STEP",
    "STEP_BYTES",
    "features",
    "make_product",
    "share",
    "tallest",
]

PANEL = 32  # columns, of 4 bytes each
VECTORS = PANEL // LANES
STEP = 4  # bytes of a row that meet a panel's next
STEP_BYTES = 4 * PANEL
PAIRS = ir.VectorType(BFLOAT, 2 * LANES)


@functools.cache
def features() -> frozenset[str]:
    """What the processor can, in LLVM's words."""
    found = llvmlite.binding.get_host_cpu_features()
    return frozenset(name for name, has in found.items() if has)


def tallest() -> int:
    """Rows of a tile that the registers hold: 32 of 16 numbers each, or 16 of 8."""
    return 8 if "avx512f" in features() else 2


def _accumulate(builder: ir.IRBuilder, narrow: bool) -> Any:
    """The function (sum, row's numbers, panel's numbers) -> sum + their product."""
    module = builder.module
    if narrow:
        kind = ir.FunctionType(FLOATS, (FLOATS, PAIRS, PAIRS))
        dot = module.declare_intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", (), kind)
        return lambda total, x, w: builder.call(
            dot, (total, builder.bitcast(x, PAIRS), builder.bitcast(w, PAIRS))
        )
    kind = ir.FunctionType(FLOATS, (FLOATS,) * 3)
    fma = module.declare_intrinsic(f"llvm.fma.v{LANES}f32", (), kind)
    return lambda total, x, w: builder.call(fma, (x, w, total))


def _make_tile(rows: int, narrow: bool, x_step: int, adding: bool) -> Any:
    """The function that multiplies so many rows with a panel; see make_product."""
    kind = INTS if narrow else FLOATS

    def place(builder: ir.IRBuilder, y: ir.Value, y_row: ir.Value, n: int) -> ir.Value:
        """Where vector number n of the sums lies."""
        row, vector = divmod(n, VECTORS)
        return add(builder, add(builder, y, times(builder, y_row, row)), 4 * LANES * vector)

    @intrinsic
    def tile(_: Any, x: Any, x_row: Any, panel: Any, steps: Any, y: Any, y_row: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            x, x_row, panel, steps, y, y_row = arguments
            zero = ir.Constant(FLOATS, [FLOAT(0.0)] * LANES)
            begin = [
                load(builder, place(builder, y, y_row, n)).value if adding else zero
                for n in range(rows * VECTORS)
            ]
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            step = builder.phi(LONG)
            step.add_incoming(LONG(0), before)
            totals = [builder.phi(FLOATS) for _ in range(rows * VECTORS)]
            accumulate = _accumulate(builder, narrow)
            at = add(builder, panel, times(builder, step, STEP_BYTES))
            weights = [
                builder.load(pointer(builder, add(builder, at, 4 * LANES * v)), typ=kind, align=4)
                for v in range(VECTORS)
            ]
            x = add(builder, x, times(builder, step, x_step))
            sums = []
            for n, total in enumerate(totals):
                row, vector = divmod(n, VECTORS)
                if vector == 0:
                    at = add(builder, x, times(builder, x_row, row))
                    number = load_everywhere(builder, at, kind)
                sums.append(accumulate(total, number, weights[vector]))
                total.add_incoming(begin[n], before)
                total.add_incoming(sums[-1], loop)
            following = add(builder, step, 1)
            step.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, steps), loop, done)
            builder.position_at_end(done)
            for n, total in enumerate(sums):
                builder.store(total, pointer(builder, place(builder, y, y_row, n)), align=4)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), write

    return tile


def make_product(
    narrow: bool, most: int, *, x_step: int = STEP, adding: bool = False, whole: bool = False
) -> Any:
    """A compiled function (rows, x, x_row, panel, steps, y, y_row).

    It multiplies ``rows`` rows, ``x_row`` bytes apart from the address x on, each of ``steps``
    times four bytes, with the panel at its address; and puts 32 float32 sums a row at y, ``y_row``
    bytes apart.

    Args:
        narrow: whether rows and panel are bfloat16.
        most: rows of the tallest tile: 1, 2, 4 or 8; see tallest.
        x_step: bytes from what a row meets a step with to what it meets the next with: STEP_BYTES
            where x lies in a panel itself, whose columns are then the rows, four bytes apart.
        adding: whether the sums are added to what stands at y.
        whole: whether rows are always a multiple of 8, which leaves LLVM less to do.
    """
    # Of at most as many rows as can be: one that is meant to be taller is never called.
    tile8, tile4, tile2, tile1 = (
        _make_tile(min(rows, most), narrow, x_step, adding) for rows in (8, 4, 2, 1)
    )
    tallest_tile = _make_tile(most, narrow, x_step, adding)

    @njit_inner
    def whole_product(
        rows: int, x: int, x_row: int, panel: int, steps: int, y: int, y_row: int
    ) -> None:
        for row in range(0, rows, most):
            tallest_tile(x + row * x_row, x_row, panel, steps, y + row * y_row, y_row)

    @njit_inner
    def product(rows: int, x: int, x_row: int, panel: int, steps: int, y: int, y_row: int) -> None:
        row = 0
        while row < rows:
            left = min(rows - row, most)
            if left >= 8:
                tile8(x + row * x_row, x_row, panel, steps, y + row * y_row, y_row)
                row += 8
            elif left >= 4:
                tile4(x + row * x_row, x_row, panel, steps, y + row * y_row, y_row)
                row += 4
            elif left >= 2:
                tile2(x + row * x_row, x_row, panel, steps, y + row * y_row, y_row)
                row += 2
            else:
                tile1(x + row * x_row, x_row, panel, steps, y + row * y_row, y_row)
                row += 1

    return whole_product if whole else product


@njit_inner
def share(count: int, rank: int, ranks: int) -> tuple[int, int]:
    """The first of so many pieces of work that is a thread's, and the first that is no longer."""
    return count * rank // ranks, count * (rank + 1) // ranks
