"""Arithmetic on sixteen float32 numbers at a time, as instructions that LLVM compiles.

What is computed with Lanes is not computed but written down: each operation adds an instruction to
the function that is being built, so a cell's equations become one straight piece of machine code.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "BFLOAT",
    "FLOAT",
    "FLOATS",
    "INT",
    "INTS",
    "LANES",
    "LONG",
    "Lanes",
    "add",
    "everywhere",
    "load",
    "load_everywhere",
    "load_operand",
    "make_to_operand",
    "pointer",
    "shuffle",
    "sigmoid",
    "store",
    "tanh",
    "times",
]

LANES = 16
INT, LONG, FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
INTS, FLOATS = ir.VectorType(INT, LANES), ir.VectorType(FLOAT, LANES)


class _BFloat(ir.Type):
    """LLVM's bfloat16, which llvmlite has no name for."""

    intrinsic_name = "bf16"

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


BFLOAT = _BFloat()

# exp(x) = 2**n exp(r) with the whole number n nearest to x / ln 2. To add 1.5 * 2**23 rounds to a
# whole number and leaves it in the lowest bits; ln 2 in two parts leaves r exact (Cody & Waite).
LOG2_E = 1.0 / math.log(2.0)
LN2_HIGH = 0.693359375
LN2_LOW = math.log(2.0) - LN2_HIGH
ROUNDER = 1.5 * 2**23
MANTISSA_BITS = 23
LARGEST_EXPONENT = 87.0  # exp of more is infinite, of less than its negative no normal number
TAYLOR = [1.0 / math.factorial(n) for n in range(7, -1, -1)]  # of exp(r), |r| < 0.35, to 1e-8


def _everywhere(number: float) -> ir.Constant:
    return ir.Constant(FLOATS, [ir.Constant(FLOAT, number)] * LANES)


class Lanes:
    """Sixteen numbers and the builder of the function that computes them."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _binary(self, operation: str, first: Lanes | float, second: Lanes | float) -> Lanes:
        values = (x.value if isinstance(x, Lanes) else _everywhere(x) for x in (first, second))
        # A product may be fused with the sum that it goes into.
        return Lanes(self.builder, getattr(self.builder, operation)(*values, flags=("contract",)))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._binary("fadd", self, other)

    __radd__ = __add__

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._binary("fsub", self, other)

    def __rsub__(self, other: float) -> Lanes:
        return self._binary("fsub", other, self)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._binary("fmul", self, other)

    __rmul__ = __mul__

    def __rtruediv__(self, other: float) -> Lanes:
        return self._binary("fdiv", other, self)

    def exp(self) -> Lanes:
        """e to the power of each, between 1e-38 and 6e37; NaN of NaN."""
        builder = self.builder
        x = self.value
        for relation, limit in (("<", -LARGEST_EXPONENT), (">", LARGEST_EXPONENT)):
            # What is compared with NaN is false, so that NaN stays.
            beyond = builder.fcmp_ordered(relation, x, _everywhere(limit))
            x = builder.select(beyond, _everywhere(limit), x)
        clamped = Lanes(builder, x)
        rounded = clamped * LOG2_E + ROUNDER
        n = rounded - ROUNDER
        r = clamped - n * LN2_HIGH - n * LN2_LOW
        series = r * TAYLOR[0] + TAYLOR[1]
        for coefficient in TAYLOR[2:]:
            series = series * r + coefficient
        shift = ir.Constant(INTS, [ir.Constant(INT, MANTISSA_BITS)] * LANES)
        n_as_exponent = builder.shl(builder.bitcast(rounded.value, INTS), shift)
        bits = builder.add(builder.bitcast(series.value, INTS), n_as_exponent)
        return Lanes(builder, builder.bitcast(bits, FLOATS))


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + exp(-x)), right to 1e-7."""
    return 1.0 / (1.0 + (0.0 - x).exp())


def tanh(x: Lanes) -> Lanes:
    """2 sigmoid(2x) - 1, right to 2e-7."""
    return 2.0 * sigmoid(2.0 * x) - 1.0


def add(builder: ir.IRBuilder, address: ir.Value, offset: ir.Value | int) -> ir.Value:
    """An address so many bytes further."""
    return builder.add(address, LONG(offset) if isinstance(offset, int) else offset)


def times(builder: ir.IRBuilder, offset: ir.Value, count: int) -> ir.Value:
    """So many times an offset."""
    return builder.mul(offset, LONG(count))


def pointer(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """What stands at an address, a 64-bit number."""
    return builder.inttoptr(address, ir.PointerType())


def shuffle(builder: ir.IRBuilder, first: Any, second: Any, places: list[int]) -> ir.Value:
    """Numbers of two vectors, counted through both."""
    mask = ir.Constant(ir.VectorType(INT, len(places)), places)
    return builder.shuffle_vector(first, second, mask)


def load(builder: ir.IRBuilder, address: ir.Value) -> Lanes:
    """Sixteen numbers from an address on."""
    return Lanes(builder, builder.load(pointer(builder, address), typ=FLOATS, align=4))


def load_operand(builder: ir.IRBuilder, address: ir.Value, *, narrow: bool) -> Lanes:
    """Sixteen numbers from an address on, which are bfloat16 if narrow."""
    if not narrow:
        return load(builder, address)
    value = builder.load(pointer(builder, address), typ=ir.VectorType(BFLOAT, LANES), align=2)
    return Lanes(builder, builder.fpext(value, FLOATS))


def everywhere(builder: ir.IRBuilder, number: ir.Value, kind: ir.Type = FLOATS) -> ir.Value:
    """One number in all lanes."""
    nothing = ir.Constant(kind, ir.Undefined)
    return shuffle(builder, builder.insert_element(nothing, number, INT(0)), nothing, [0] * LANES)


def load_everywhere(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type = FLOATS) -> ir.Value:
    """The one number at an address, sixteen times."""
    one = builder.load(pointer(builder, address), typ=kind.element, align=4)
    return everywhere(builder, one, kind)


def store(
    builder: ir.IRBuilder, lanes: Lanes | float, address: ir.Value, *, narrow: bool = False
) -> None:
    """Put sixteen numbers at an address, as bfloat16 if narrow."""
    value = lanes.value if isinstance(lanes, Lanes) else _everywhere(lanes)
    if narrow:
        value = builder.fptrunc(value, ir.VectorType(BFLOAT, LANES))
    builder.store(value, pointer(builder, address), align=2 if narrow else 4)


def make_to_operand(narrow: bool) -> Any:
    """A compiled function (from, to) of addresses: sixteen float32 numbers become operands, which
    are bfloat16 if narrow."""

    @intrinsic
    def to_operand(_: Any, _source: Any, _target: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            source, target = arguments
            store(builder, load(builder, source), target, narrow=narrow)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), write

    return to_operand
