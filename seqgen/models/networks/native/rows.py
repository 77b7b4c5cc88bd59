"""What a Transformer does with a position between its products.

Arrays are C-contiguous; of operands see loops.py. Rows are positions, those of a sequence one after
the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from seqgen.models.networks.native.kept import njit_inner
from seqgen.models.networks.native.lanes import (
    FLOATS,
    LANES,
    Lanes,
    load_operand,
    make_to_operand,
    store,
)

__all__ = ["FAST", "NORM_EPSILON", "Rows", "make_rows"]

NORM_EPSILON = 1e-6
FAST = {"contract", "reassoc"}  # sums in any order, so that LLVM may take sixteen at a time


def _make_squared_relu(narrow: bool) -> tuple[Any, Any]:
    """y = relu(x)**2 and dx = 2 relu(x) dy of sixteen operands' numbers."""

    def relu(builder: ir.IRBuilder, address: ir.Value) -> Lanes:
        x, zero = load_operand(builder, address, narrow=narrow), ir.Constant(FLOATS, None)
        # What is compared with NaN is false, so that NaN stays.
        negative = builder.fcmp_ordered("<", x.value, zero)
        return Lanes(builder, builder.select(negative, zero, x.value))

    @intrinsic
    def ahead(_: Any, _x: Any, _y: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            r = relu(builder, arguments[0])
            store(builder, r * r, arguments[1], narrow=narrow)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), write

    @intrinsic
    def back(_: Any, _x: Any, _dy: Any, _dx: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            r = relu(builder, arguments[0])
            dy = load_operand(builder, arguments[1], narrow=narrow)
            store(builder, (r + r) * dy, arguments[2], narrow=narrow)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), write

    return ahead, back


@njit_inner(fastmath=FAST)
def _norm_factor(x: Any) -> Any:
    total = np.float32(0.0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return np.float32(1.0) / np.sqrt(total / np.float32(len(x)) + np.float32(NORM_EPSILON))


@njit_inner(fastmath=FAST)
def _add_norm_back(dz: Any, x: Any, factor: Any, dx: Any) -> None:
    """dx += factor (dz - y mean(dz y)) with y = factor x."""
    total = np.float32(0.0)
    for j in range(len(x)):
        total += dz[j] * x[j]
    mean = total * factor * factor / np.float32(len(x))
    for j in range(len(x)):
        dx[j] += factor * (dz[j] - x[j] * mean)


@njit_inner(fastmath=FAST)
def _add_scaled(y: Any, weights: Any, x: Any, factor: Any) -> None:
    for j in range(len(y)):
        y[j] += weights[j] * (x[j] * factor)


class Rows(NamedTuple):
    """Compiled functions; see make_rows."""

    mix: Any
    mix_back: Any
    put: Any
    activate: Any
    activate_back: Any


def make_rows(narrow: bool) -> Rows:
    """The functions for operands of one type."""
    size = 2 if narrow else 4
    to_operand = make_to_operand(narrow)
    square, square_back = _make_squared_relu(narrow)

    @njit_inner
    def put(x: Any, y: Any, row: int) -> None:
        """y[row:] become the rows of x, float32, as operands."""
        for r in range(len(x)):
            at = y.ctypes.data + (row + r) * y.shape[1] * size
            for j in range(0, y.shape[1], LANES):
                to_operand(x[r, j:].ctypes.data, at + j * size)

    @njit_inner
    def mix(begin: int, end: int, x: Any, starts: Any, kernel: Any, factors: Any, y: Any) -> None:
        """y[t] = sum over lags of kernel[lag] * norm(x)[t - lag], within the document.

        Args:
            x: (rows, width) float32.
            starts: the row at which the document of each begins, (rows,) int32.
            kernel: (taps, width) float32.
            factors: set to 1 / sqrt(mean(x**2)) of each row, (rows,) float32.
            y: its first rows are set to operands, (end - begin or more, width).
        """
        taps = len(kernel)
        recent = np.zeros(taps, np.float32)  # factors, by row modulo taps
        total = np.empty((1, x.shape[1]), np.float32)
        for t in range(max(0, begin - taps + 1), end):
            recent[t % taps] = _norm_factor(x[t])
            if t < begin:
                continue
            factors[t] = recent[t % taps]
            total[:] = 0.0
            for lag in range(min(taps, t - starts[t] + 1)):
                _add_scaled(total[0], kernel[lag], x[t - lag], recent[(t - lag) % taps])
            put(total, y, t - begin)

    @njit_inner
    def mix_back(
        begin: int, end: int, dy: Any, x: Any, starts: Any, kernel: Any, factors: Any,
        dx: Any, d_kernel: Any,
    ) -> None:  # fmt: skip
        """The same back.

        Args:
            dy: (rows, width) float32; up to taps - 1 rows after the last are read.
            x, starts, kernel, factors: see mix.
            dx: the gradient of x is added to it, (rows, width) float32.
            d_kernel: set to what these rows add to the kernel's gradient, (taps, width) float32.
        """
        dz = np.empty(x.shape[1], np.float32)
        one = np.float32(1.0)
        d_kernel[:] = 0.0
        for t in range(begin, end):
            dz[:] = 0.0
            for lag in range(len(kernel)):
                if t - lag >= starts[t]:
                    _add_scaled(d_kernel[lag], dy[t], x[t - lag], factors[t - lag])
                if t + lag < len(x) and starts[t + lag] <= t:
                    _add_scaled(dz, kernel[lag], dy[t + lag], one)
            _add_norm_back(dz, x[t], factors[t], dx[t])

    @njit_inner
    def activate(x: Any, y: Any) -> None:
        """y = relu(x)**2 of operands; y may have more rows."""
        for n in range(0, x.size, LANES):
            square(x.ctypes.data + n * size, y.ctypes.data + n * size)

    @njit_inner
    def activate_back(x: Any, dy: Any) -> None:
        """dy becomes 2 relu(x) dy."""
        for n in range(0, x.size, LANES):
            at = dy.ctypes.data + n * size
            square_back(x.ctypes.data + n * size, at, at)

    return Rows(mix, mix_back, put, activate, activate_back)
