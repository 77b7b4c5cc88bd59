"""One position of a head: its query or key on the way to where they meet, and what comes back.

    y = rotate(x / sqrt(mean(x**2)))        (see transformer.rotate)

A row is a few vectors of sixteen numbers, which for the usual widths stay in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from seqgen.models.networks.native.lanes import (
    FLOAT,
    FLOATS,
    LANES,
    Lanes,
    add,
    everywhere,
    load_everywhere,
    load_operand,
    store,
)
from seqgen.models.networks.native.rows import NORM_EPSILON

__all__ = ["make_dot", "make_meet", "make_meet_back", "make_put_scaled"]

I64 = types.int64
Row = list[Lanes]


def _addresses(builder: ir.IRBuilder, address: ir.Value, width: int, size: int) -> list[ir.Value]:
    return [add(builder, address, n * size) for n in range(0, width, LANES)]


def _load_row(builder: ir.IRBuilder, address: ir.Value, width: int, *, narrow: bool) -> Row:
    size = 2 if narrow else 4
    return [
        load_operand(builder, at, narrow=narrow) for at in _addresses(builder, address, width, size)
    ]


def _store_row(builder: ir.IRBuilder, row: Row, address: ir.Value, *, narrow: bool) -> None:
    places = _addresses(builder, address, len(row) * LANES, 2 if narrow else 4)
    for lanes, at in zip(row, places, strict=True):
        store(builder, lanes, at, narrow=narrow)


def _dot(builder: ir.IRBuilder, x: Row, y: Row) -> ir.Value:
    """The sum of products, one number."""
    products = [a * b for a, b in zip(x, y, strict=True)]
    total = products[0]
    for product in products[1:]:
        total = total + product
    kind = ir.FunctionType(FLOAT, (FLOAT, FLOATS))
    add_all = builder.module.declare_intrinsic(f"llvm.vector.reduce.fadd.v{LANES}f32", (), kind)
    return builder.call(add_all, (FLOAT(0.0), total.value), fastmath=("reassoc",))


def _norm_factor(builder: ir.IRBuilder, x: Row) -> Lanes:
    """1 / sqrt(mean(x**2))."""
    mean = builder.fmul(_dot(builder, x, x), FLOAT(1.0 / (len(x) * LANES)))
    kind = ir.FunctionType(FLOAT, (FLOAT,))
    root = builder.module.declare_intrinsic("llvm.sqrt.f32", (), kind)
    norm = builder.call(root, (builder.fadd(mean, FLOAT(NORM_EPSILON)),))
    return Lanes(builder, everywhere(builder, builder.fdiv(FLOAT(1.0), norm)))


def _rolled(x: Sequence[Lanes]) -> Row:
    """x[i + width / 2], counted around."""
    half = len(x) // 2
    return [*x[half:], *x[:half]]


def make_meet(width: int, narrow: bool) -> Any:
    """A function (x, cos, sin, y) of addresses: y from x, both operands of a row."""

    @intrinsic
    def meet(_: Any, _x: Any, _cos: Any, _sin: Any, _y: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            at, cos, sin, to = arguments
            x = _load_row(builder, at, width, narrow=narrow)
            factor = _norm_factor(builder, x)
            cos, sin = (_load_row(builder, a, width, narrow=False) for a in (cos, sin))
            turned = zip(x, cos, _rolled(x), sin, strict=True)
            y = [(a * c + b * s) * factor for a, c, b, s in turned]
            _store_row(builder, y, to, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 4), write

    return meet


def make_meet_back(width: int, narrow: bool) -> Any:
    """A function (dy, x, cos, sin, dx) of addresses: dx of x, operands, from dy, float32."""

    @intrinsic
    def back(_: Any, _dy: Any, _x: Any, _cos: Any, _sin: Any, _dx: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            dy, at, cos, sin, to = arguments
            x = _load_row(builder, at, width, narrow=narrow)
            factor = _norm_factor(builder, x)
            dy, cos, sin = (_load_row(builder, a, width, narrow=False) for a in (dy, cos, sin))
            pulls = _rolled([d * s for d, s in zip(dy, sin, strict=True)])
            dz = [d * c + p for d, c, p in zip(dy, cos, pulls, strict=True)]
            z = [a * factor for a in x]
            mean = builder.fmul(_dot(builder, dz, z), FLOAT(1.0 / width))
            mean = Lanes(builder, everywhere(builder, mean))
            dx = [(d - n * mean) * factor for d, n in zip(dz, z, strict=True)]
            _store_row(builder, dx, to, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 5), write

    return back


def make_dot(width: int, narrow: bool) -> Any:
    """A function (x, y) of the addresses of two operands' rows: the sum of their products."""

    @intrinsic
    def dot(_: Any, _x: Any, _y: Any) -> Any:
        def write(_context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            x, y = (_load_row(builder, at, width, narrow=narrow) for at in arguments)
            return _dot(builder, x, y)

        return types.float32(I64, I64), write

    return dot


def make_put_scaled(width: int, narrow: bool) -> Any:
    """A function (x, factor, y) of addresses: y, operands of a row, is x, float32, times one
    number."""

    @intrinsic
    def put_scaled(_: Any, _x: Any, _factor: Any, _y: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            at, factor, to = arguments
            by = Lanes(builder, load_everywhere(builder, factor))
            x = _load_row(builder, at, width, narrow=False)
            _store_row(builder, [a * by for a in x], to, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 3), write

    return put_scaled
