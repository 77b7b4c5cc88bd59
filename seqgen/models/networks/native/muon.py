"""Muon's update of many small matrices: each is one thread's, from its gradient to its new values.

See seqgen.training.optimizer for the equations. All matrices that are multiplied here commute and
are symmetric, so of each product only what lies on and above the diagonal is made. Products are in
float32: in bfloat16 singular values would come out between 0.1 and 8.6.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numba import njit
from numpy.typing import NDArray

from seqgen.models.networks.native.kept import keep
from seqgen.models.networks.native.lanes import LANES
from seqgen.models.networks.native.products import PANEL, STEP_BYTES, make_product, tallest
from seqgen.models.networks.native.rows import FAST
from seqgen.models.networks.native.team import empty, operation, run_together

__all__ = ["muon_updates"]


@functools.cache
def _make_muon() -> Any:
    """Compiled when it is first called."""
    product = make_product(narrow=False, most=tallest())

    @njit
    def columns(x: Any) -> Any:
        """A matrix in panels of its columns."""
        panels = np.empty((x.shape[1] // PANEL, len(x), PANEL), np.float32)
        for panel in range(len(panels)):
            for k in range(len(x)):
                for j in range(PANEL):
                    panels[panel, k, j] = x[k, panel * PANEL + j]
        return panels

    @njit
    def transposed(x: Any) -> Any:
        y = np.empty((x.shape[1], x.shape[0]), np.float32)
        for k in range(0, len(x), PANEL):
            for j in range(x.shape[1]):
                for i in range(PANEL):
                    y[j, k + i] = x[k + i, j]
        return y

    @njit
    def multiply(x: Any, panels: Any, y: Any, symmetric: bool) -> None:
        """y = x by a matrix in panels of its columns; of a symmetric one half is computed."""
        width = 4 * y.shape[1]
        for panel in range(len(panels)):
            rows = (panel + 1) * PANEL if symmetric else len(x)
            at = panels.ctypes.data + panel * panels.shape[1] * STEP_BYTES
            to = y.ctypes.data + 4 * panel * PANEL
            product(rows, x.ctypes.data, 4 * x.shape[1], at, panels.shape[1], to, width)
        if symmetric:
            # By blocks of columns, so that a cache line is read once.
            for begin in range(0, len(y), LANES):
                for j in range(begin + LANES):
                    for i in range(max(begin, j + 1), begin + LANES):
                        y[i, j] = y[j, i]

    @njit
    def polynomial(g: Any, square: Any, coefficients: Any, y: Any) -> None:
        """y = a + b g + c g g."""
        a, b, c = coefficients
        for i in range(len(g)):
            for j in range(len(g)):
                y[i, j] = b * g[i, j] + c * square[i, j]
            y[i, i] += a

    @njit(fastmath=FAST)
    def norm(x: Any) -> Any:
        total = np.float32(0.0)
        for i in range(len(x)):
            for j in range(x.shape[1]):
                total += x[i, j] * x[i, j]
        return np.sqrt(total)

    @njit
    def orthogonalise(x: Any, coefficients: Any, steps: int) -> Any:
        """See optimizer.orthogonalise; x has at least as many columns as rows, and is scaled."""
        side = len(x)
        x *= np.float32(1.0) / (norm(x) + np.float32(1e-7))
        gram = np.empty((side, side), np.float32)
        square = np.empty((side, side), np.float32)
        step = np.empty((side, side), np.float32)
        all_steps = np.empty((side, side), np.float32)
        spare = np.empty((side, side), np.float32)
        multiply(x, columns(transposed(x)), gram, True)
        for n in range(steps):
            if n:
                multiply(gram, columns(step), spare, True)
                multiply(step, columns(spare), gram, True)
            multiply(gram, columns(gram), square, True)
            polynomial(gram, square, coefficients, step)
            if n:
                multiply(step, columns(all_steps), spare, True)
                all_steps, spare = spare, all_steps
            else:
                polynomial(gram, square, coefficients, all_steps)
        y = np.empty(x.shape, np.float32)
        multiply(all_steps, columns(x), y, False)
        return y

    @njit
    def update(
        gradient: Any, memory: Any, weight: Any, rate: Any, decay: Any, momentum: Any,
        coefficients: Any, steps: int, new_memory: Any, new_weight: Any,
    ) -> None:  # fmt: skip
        rows, width = gradient.shape
        nudged = np.empty((rows, width), np.float32)
        for i in range(rows):
            for j in range(width):
                new_memory[i, j] = momentum * memory[i, j] + gradient[i, j]
                nudged[i, j] = gradient[i, j] + momentum * new_memory[i, j]  # Nesterov's form
        scale = rate
        if rows > width:
            change = transposed(orthogonalise(transposed(nudged), coefficients, steps))
            scale *= np.sqrt(np.float32(rows) / np.float32(width))
        else:
            change = orthogonalise(nudged, coefficients, steps)
        for i in range(rows):
            for j in range(width):
                new_weight[i, j] = weight[i, j] - (
                    scale * change[i, j] + rate * decay * weight[i, j]
                )

    @njit(nogil=True)
    def update_all(
        gradients: Any, memories: Any, weights: Any, order: Any, numbers: Any,
        coefficients: Any, steps: int, new_memories: Any, new_weights: Any,
        _counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        for place in range(rank, len(order), ranks):
            n = order[place]
            update(
                gradients[n], memories[n], weights[n], numbers[0], numbers[1], numbers[2],
                coefficients, steps, new_memories[n], new_weights[n],
            )  # fmt: skip

    return keep(update_all, "muon")


def muon_updates(
    gradients: Sequence[tf.Tensor],
    memories: Sequence[tf.Tensor],
    weights: Sequence[tf.Tensor],
    rate: tf.Tensor,
    *,
    decay: float,
    momentum: float,
    coefficients: tuple[float, float, float],
    steps: int,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """New memories (momenta) and new weights.

    Args:
        gradients, memories, weights: matrices whose sides are multiples of 32.
        rate: learning rate, a float32 scalar.
        decay: share of a weight, per unit of rate, that is taken off.
        coefficients, steps: of the Newton-Schulz iteration.
    """
    count = len(weights)
    # The largest first, so that threads end together.
    sizes = [int(np.prod(weight.shape)) * min(weight.shape) for weight in weights]
    order = np.argsort(sizes)[::-1].astype(np.int64)
    factors = tuple(map(np.float32, coefficients))

    def update(rate: NDArray[Any], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        groups = [arrays[n : n + count] for n in range(0, 3 * count, count)]
        numbers = np.array([rate.item(), decay, momentum], np.float32)
        found = [tuple(empty(array.shape, np.float32) for array in groups[2]) for _ in range(2)]
        run_together(_make_muon(), *groups, order, numbers, factors, steps, *found)
        return [*found[0], *found[1]]

    found = operation(update, [rate, *gradients, *memories, *weights], [tf.float32] * 2 * count)
    shaped = [
        tf.ensure_shape(new, old.shape)
        for new, old in zip(found, [*weights, *weights], strict=True)
    ]
    return shaped[:count], shaped[count:]
