"""Muon's update of many small matrices: each is one thread's, from its gradient to its new values.

See seqgen.training.optimizer for the equations. Between the first product and the last all matrices
commute and are symmetric: one half of each product is made; and as a row of such a matrix is a
column too, they stay in panels. Products are in float32: bfloat16 would lose the small singular
values, which are most of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numba import njit
from numpy.typing import NDArray

from seqgen.models.networks.native.kept import keep, njit_inner
from seqgen.models.networks.native.lanes import LANES
from seqgen.models.networks.native.names import MATRICES, fill, muon_name
from seqgen.models.networks.native.panels import make_lay, make_turn
from seqgen.models.networks.native.products import PANEL, STEP_BYTES, make_product, tallest
from seqgen.models.networks.native.rows import FAST
from seqgen.models.networks.native.team import empty, operation, run_together

__all__ = ["muon_updates"]

NORM_EPSILON = 1e-7


@functools.cache
def _make_muon(count: int) -> Any:
    """For tuples of so many places; compiled when it is first called."""
    product = make_product(narrow=False, most=tallest(), whole=True)
    across = make_product(narrow=False, most=tallest(), x_step=STEP_BYTES, whole=True)
    lay, turn = make_lay(narrow=False), make_turn(to_bfloat16=False)

    @njit_inner
    def woven(x: Any) -> Any:
        """Panels of a matrix's columns."""
        panels = np.empty((x.shape[1] // PANEL, len(x), PANEL), np.float32)
        lay(len(x), x, panels, 0)
        return panels

    @njit_inner
    def turn_block(rows: int, columns: int, x: int, x_row: int, y: int, y_row: int) -> None:
        """y = x' of so many rows and columns, multiples of 16."""
        for row in range(0, rows, LANES):
            for column in range(0, columns, LANES):
                turn(x + row * x_row + 4 * column, x_row, y + column * y_row + 4 * row, y_row)

    @njit_inner
    def turned(x: Any) -> Any:
        """Panels of a matrix's rows."""
        panels = np.empty((len(x) // PANEL, x.shape[1], PANEL), np.float32)
        row = 4 * x.shape[1]
        for n in range(len(panels)):
            at, to = x.ctypes.data + n * PANEL * row, panels[n].ctypes.data
            turn_block(PANEL, x.shape[1], at, row, to, STEP_BYTES)
        return panels

    @njit_inner
    def multiply(x: Any, panels: Any, y: Any) -> None:
        """y = x' panels, all in panels, where y is symmetric: one half is computed."""
        steps = panels.shape[1]
        for n in range(len(y)):
            at = panels[n].ctypes.data
            for m in range(n + 1):
                to = y[n].ctypes.data + m * PANEL * STEP_BYTES
                across(PANEL, x[m].ctypes.data, 4, at, steps, to, STEP_BYTES)
                if m < n:
                    mirror = y[m].ctypes.data + n * PANEL * STEP_BYTES
                    turn_block(PANEL, PANEL, to, STEP_BYTES, mirror, STEP_BYTES)

    @njit_inner
    def multiply_rows(x: Any, panels: Any) -> Any:
        """x, whose rows lie one after the other, by panels."""
        y = np.empty((len(x), len(panels) * PANEL), np.float32)
        for n in range(len(panels)):
            to, row = y.ctypes.data + 4 * n * PANEL, 4 * y.shape[1]
            at = panels[n].ctypes.data
            product(len(x), x.ctypes.data, 4 * x.shape[1], at, panels.shape[1], to, row)
        return y

    @njit_inner
    def multiply_across(x: Any, panels: Any) -> Any:
        """x' by panels, where x is in panels too."""
        y = np.empty((len(x) * PANEL, len(panels) * PANEL), np.float32)
        row = 4 * y.shape[1]
        for n in range(len(panels)):
            at = panels[n].ctypes.data
            for m in range(len(x)):
                to = y.ctypes.data + m * PANEL * row + 4 * n * PANEL
                across(PANEL, x[m].ctypes.data, 4, at, panels.shape[1], to, row)
        return y

    @njit_inner(fastmath=FAST)
    def polynomial(g: Any, square: Any, coefficients: Any, y: Any) -> None:
        """y = a + b g + c g g."""
        a, b, c = coefficients
        for n in range(len(g)):
            for k in range(g.shape[1]):
                for j in range(PANEL):
                    y[n, k, j] = b * g[n, k, j] + c * square[n, k, j]
            for j in range(PANEL):
                y[n, n * PANEL + j, j] += a

    @njit_inner(fastmath=FAST)
    def norm(x: Any) -> Any:
        total = np.float32(0.0)
        for i in range(len(x)):
            for j in range(x.shape[1]):
                total += x[i, j] * x[i, j]
        return np.sqrt(total)

    @njit_inner(fastmath=FAST)
    def norm_of_panels(x: Any) -> Any:
        total = np.float32(0.0)
        for n in range(len(x)):
            part = norm(x[n])
            total += part * part
        return np.sqrt(total)

    @njit_inner(fastmath=FAST)
    def scale(x: Any, factor: Any) -> None:
        for n in range(len(x)):
            for k in range(x.shape[1]):
                for j in range(PANEL):
                    x[n, k, j] *= factor

    @njit_inner
    def copy(x: Any, y: Any) -> None:
        for n in range(len(x)):
            for k in range(x.shape[1]):
                for j in range(PANEL):
                    y[n, k, j] = x[n, k, j]

    @njit_inner
    def all_steps(gram: Any, coefficients: Any) -> Any:
        """What x is to be multiplied by; see optimizer.orthogonalise."""
        room = np.empty((4, *gram.shape), np.float32)
        squared, step, total, spare = room[0], room[1], room[2], room[3]
        one = np.float32(1.0)
        multiply(gram, gram, squared)
        most = np.sqrt(norm_of_panels(squared)) + np.float32(NORM_EPSILON)
        scale(gram, one / most)
        scale(squared, one / (most * most))
        polynomial(gram, squared, coefficients[0], total)
        copy(total, step)
        for n in range(1, len(coefficients)):
            multiply(gram, step, spare)
            multiply(step, spare, gram)
            multiply(gram, gram, squared)
            polynomial(gram, squared, coefficients[n], step)
            multiply(step, total, spare)
            total, spare = spare, total
        scale(total, one / np.sqrt(most))
        return total

    @njit_inner
    def orthogonalise(x: Any, coefficients: Any) -> Any:
        """See optimizer.orthogonalise; x is scaled."""
        factor = np.float32(1.0) / (norm(x) + np.float32(NORM_EPSILON))
        for i in range(len(x)):
            for j in range(x.shape[1]):
                x[i, j] *= factor
        short = min(x.shape)
        gram = np.empty((short // PANEL, short, PANEL), np.float32)
        if len(x) > x.shape[1]:
            panels = woven(x)
            multiply(panels, panels, gram)
            return multiply_rows(x, all_steps(gram, coefficients))
        panels = turned(x)
        multiply(panels, panels, gram)
        return multiply_across(all_steps(gram, coefficients), woven(x))

    @njit_inner
    def update(
        gradient: Any, memory: Any, weight: Any, rate: Any, decay: Any, momentum: Any,
        coefficients: Any, new_memory: Any, new_weight: Any,
    ) -> None:  # fmt: skip
        rows, width = gradient.shape
        nudged = np.empty((rows, width), np.float32)
        for i in range(rows):
            for j in range(width):
                new_memory[i, j] = momentum * memory[i, j] + gradient[i, j]
                nudged[i, j] = gradient[i, j] + momentum * new_memory[i, j]  # Nesterov's form
        change = orthogonalise(nudged, coefficients)
        reach = rate * np.sqrt(max(np.float32(1.0), np.float32(rows) / np.float32(width)))
        for i in range(rows):
            for j in range(width):
                new_weight[i, j] = weight[i, j] - (
                    reach * change[i, j] + rate * decay * weight[i, j]
                )

    @njit(nogil=True)
    def update_all(
        gradients: Any, memories: Any, weights: Any, order: Any, numbers: Any,
        coefficients: Any, new_memories: Any, new_weights: Any,
        _counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        for place in range(rank, len(order), ranks):
            n = order[place]
            update(
                gradients[n], memories[n], weights[n], numbers[0], numbers[1], numbers[2],
                coefficients, new_memories[n], new_weights[n],
            )  # fmt: skip

    return keep(update_all, *muon_name(count))


def muon_updates(
    gradients: Sequence[tf.Tensor],
    memories: Sequence[tf.Tensor],
    weights: Sequence[tf.Tensor],
    rate: tf.Tensor,
    *,
    decay: float,
    momentum: float,
    coefficients: Sequence[tuple[float, float, float]],
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """New memories (momenta) and new weights.

    Args:
        gradients, memories, weights: matrices whose sides are multiples of 32.
        rate: learning rate, a float32 scalar.
        decay: share of a weight, per unit of rate, that is taken off.
        coefficients: of each step of the iteration.
    """
    count = len(weights)
    # The largest first, so that threads end together.
    sizes = [int(np.prod(weight.shape)) * min(weight.shape) for weight in weights]
    order = np.argsort(sizes)[::-1].astype(np.int64)
    factors = np.array(coefficients, np.float32)

    def update(rate: NDArray[Any], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        groups = [arrays[n : n + count] for n in range(0, 3 * count, count)]
        numbers = np.array([rate.item(), decay, momentum], np.float32)
        found = [tuple(empty(array.shape, np.float32) for array in groups[2]) for _ in range(2)]
        filled = [fill(group, MATRICES) for group in (*groups, *found)]
        run_together(_make_muon(len(filled[0])), *filled[:3], order, numbers, factors, *filled[3:])
        return [*found[0], *found[1]]

    found = operation(update, [rate, *gradients, *memories, *weights], [tf.float32] * 2 * count)
    shaped = [
        tf.ensure_shape(new, old.shape)
        for new, old in zip(found, [*weights, *weights], strict=True)
    ]
    return shaped[:count], shaped[count:]
