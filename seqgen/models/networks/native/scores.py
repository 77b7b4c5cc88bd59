"""Sixteen scores of attention at a time: what becomes of them ahead and back.

Lanes are keys, from number ``place`` on, of one query; or, where it is said, queries of one key.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from seqgen.models.networks.native.lanes import (
    INT,
    INTS,
    LANES,
    Lanes,
    everywhere,
    load,
    load_everywhere,
    store,
)

__all__ = ["make_exponentials", "make_score_gradients"]

I64 = types.int64


def _kept(
    builder: ir.IRBuilder, value: Lanes, place: ir.Value, first: ir.Value, last: ir.Value
) -> Lanes:
    """The lanes, the first of which is number ``place``, but 0 before ``first`` and from ``last``
    on."""
    numbers = ir.Constant(INTS, list(range(LANES)))
    place, first, last = (
        everywhere(builder, builder.trunc(number, INT), INTS) for number in (place, first, last)
    )
    places = builder.add(place, numbers)
    inside = builder.and_(
        builder.icmp_signed(">=", places, first), builder.icmp_signed("<", places, last)
    )
    return Lanes(builder, builder.select(inside, value.value, ir.Constant(value.value.type, None)))


def make_exponentials(scale: float, narrow: bool) -> Any:
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


def make_score_gradients(scale: float, narrow: bool, *, by_query: bool) -> Any:
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
