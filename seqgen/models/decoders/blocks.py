"""A Transformer's weights and rotations as its decoder wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray, Weights
from seqgen.models.rotary import rotary_angles

__all__ = ["Block", "Turns", "blocks_of"]

STRETCH = 256  # positions whose rotations are made at once


@dataclass(frozen=True, slots=True)
class Block:
    """One layer's weights; the convolution's are None where there is none."""

    convolution: FloatArray | None
    query_key_value: FloatArray
    output: FloatArray
    up: FloatArray
    down: FloatArray


def blocks_of(config: ModelConfig, weights: Weights) -> list[Block]:
    """Those of all layers."""
    return [
        Block(
            weights.get(f"block.{layer}.attention.convolution"),
            _paired(weights[f"block.{layer}.attention.query_key_value"], config.heads),
            weights[f"block.{layer}.attention.output"],
            weights[f"block.{layer}.mlp.up"],
            weights[f"block.{layer}.mlp.down"],
        )
        for layer in range(config.layers)
    ]


def _paired(kernel: FloatArray, heads: int) -> FloatArray:
    """A kernel of queries, keys and values with the two dimensions that turn together side by side.

    The first two are in another order then, but the same in both, so that their products stay.
    """
    queries_keys, values = np.split(kernel, [2 * len(kernel)], axis=1)
    halves = queries_keys.reshape(len(kernel), 2 * heads, 2, -1)
    paired = halves.swapaxes(-1, -2).reshape(len(kernel), -1)
    return np.concatenate([paired, values], axis=1)


class Turns:
    """By how much a position turns the pairs of a head, as complex numbers.

    Args:
        width: of a head.
        dtype: of the numbers that are turned.
    """

    def __init__(self, width: int, dtype: DTypeLike) -> None:
        # In float64: far from the beginning float32 would not know where in its turn an angle is.
        self._angles = rotary_angles(width).astype(np.float64)
        self.dtype = np.result_type(dtype, np.complex64)
        self._stretch = -1, np.empty((0, 0), self.dtype)

    def of(self, positions: NDArray[np.integer]) -> FloatArray:
        """(…,) to (…, width / 2)."""
        angle = positions[..., None] * self._angles
        turn = np.empty(angle.shape, self.dtype)
        turn.real, turn.imag = np.cos(angle), np.sin(angle)
        return turn

    def at(self, position: int) -> FloatArray:
        """(width / 2,); those near it are remembered."""
        stretch, place = divmod(position, STRETCH)
        known, turns = self._stretch
        if known != stretch:
            turns = self.of(np.arange(stretch * STRETCH, (stretch + 1) * STRETCH))
            self._stretch = stretch, turns
        return np.asarray(turns[place])
