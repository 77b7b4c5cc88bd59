"""A Transformer's step for one sequence; its equations are in seqgen.models.networks.transformer.

What it takes to call NumPy is most of the time of so small a step. So whatever can be is made once:
rooms for what is computed, and views of them in the shapes in which they are used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqgen.config import ModelConfig
from seqgen.models.decoders.blocks import Block, Turns
from seqgen.models.decoders.cache import Cache
from seqgen.models.decoders.decoder import FloatArray
from seqgen.models.decoders.operations import NORM_EPSILON, row_scale
from seqgen.models.parameters import MLP_RATIO

__all__ = ["Alone"]


class Alone:
    """The sequence of a state that has no other.

    Args:
        config: the network.
        cache: the sequence's; it is advanced.
        recent: what the convolutions need of the last positions, the latest last, (layers, 1,
            taps - 1, hidden); likewise.
    """

    def __init__(self, config: ModelConfig, cache: Cache, recent: FloatArray) -> None:
        dtype, hidden, heads = recent.dtype, config.hidden, config.heads
        width = hidden // heads
        self._cache, self._recent = cache, recent[:, 0]
        self._x, self._y, self._mixed, self._part = np.empty((4, hidden), dtype)
        self._qkv = np.empty(3 * hidden, dtype)
        self._inner = np.empty(MLP_RATIO * hidden, dtype)
        self._zeros = np.zeros_like(self._inner)  # NumPy compares with a row of them sooner
        # Queries and keys together, pairs of dimensions as complex numbers.
        self._both = self._qkv[: 2 * hidden].reshape(2 * heads, width)
        self._pairs = self._both.view(np.result_type(dtype, np.complex64))
        self._query, self._key = self._both[:heads, :, None], self._both[heads:]
        self._value = self._qkv[2 * hidden :].reshape(heads, width)
        self._scale = np.empty(2 * heads, dtype)
        self._scales = self._scale[:, None]
        # A key is multiplied by the root of its width over its length; a query's dot products are
        # divided by the same root.
        self._norms = np.repeat(np.array([1.0, width**0.5], dtype), heads)
        self._epsilon = width * float(NORM_EPSILON)
        self._sums = np.empty((heads, 1, 1), dtype)
        self._found = np.empty((heads, 1, width), dtype)
        self._found_row = self._found.reshape(hidden)

    def step(
        self, token: int, embedding: FloatArray, blocks: Sequence[Block], turns: Turns
    ) -> FloatArray:
        """What the output reads after a token, the normalised stream, (hidden,); a room of its own.

        Args:
            embedding: of all tokens, normalised.
        """
        x, y, both, pairs, scale = self._x, self._y, self._both, self._pairs, self._scale
        qkv, inner, zeros, part = self._qkv, self._inner, self._zeros, self._part
        found, sums, query = self._found, self._sums, self._query
        position = self._cache.age.item(0)
        keys, values, new_keys, new_values, ones, scores = self._cache.advance_alone()
        columns, rows, sum_of = scores[:, :, None], scores[:, None], sums[:, 0, 0]
        turn = turns.at(position)
        x[:] = embedding[token]
        for layer, block in enumerate(blocks):
            np.multiply(x, row_scale(x), out=y)
            mixed = y
            if block.convolution is not None:
                mixed = self._mix(position, block.convolution, self._recent[layer])
            np.dot(mixed, block.query_key_value, out=qkv)
            np.vecdot(both, both, out=scale)
            scale += self._epsilon
            np.sqrt(scale, out=scale)
            np.divide(self._norms, scale, out=scale)
            np.multiply(both, self._scales, out=both)
            np.multiply(pairs, turn, out=pairs)
            new_keys[layer], new_values[layer] = self._key, self._value
            np.matmul(keys[layer], query, out=columns)
            np.exp(scores, out=scores)
            np.vecdot(scores, ones, out=sum_of)
            np.matmul(rows, values[layer], out=found)
            np.divide(found, sums, out=found)
            np.dot(self._found_row, block.output, out=part)
            np.add(x, part, out=x)
            np.multiply(x, row_scale(x), out=y)
            np.dot(y, block.up, out=inner)
            np.maximum(inner, zeros, out=inner)
            np.multiply(inner, inner, out=inner)
            np.dot(inner, block.down, out=part)
            np.add(x, part, out=x)
        return np.multiply(x, row_scale(x), out=y)

    def _mix(self, position: int, kernel: FloatArray, recent: FloatArray) -> FloatArray:
        """The convolution of y; see operations.convolve."""
        y, mixed, part = self._y, self._mixed, self._part
        np.multiply(y, kernel[0], out=mixed)
        for tap in range(1, min(len(kernel), position + 1)):
            np.multiply(recent[-tap], kernel[tap], out=part)
            np.add(mixed, part, out=mixed)
        if len(recent) > 1:
            recent[:-1] = recent[1:]
        recent[-1] = y
        return mixed
