"""The cells of recurrent networks; their equations are in seqgen.models.networks.cells.

As there, x is W x + b and u is U h, both (batch, gates * hidden). A cell turns its state, (vectors,
batch, hidden), into the next in place, and uses x and u up.

A sigmoid is (1 + tanh(x / 2)) / 2, which no x overflows. Its halves, but for one, are factors of
the weights, put there when the decoder is made, so that one tanh does for all gates: z' below is
what a cell computes as 1 + tanh(z / 2), twice its sigmoid. They are powers of two, which change the
exponent of a float and no bit besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from seqgen.config import Architecture
from seqgen.models.decoders.decoder import FloatArray

__all__ = ["CELLS", "Cell", "Vectors"]

Vectors: TypeAlias = tuple[FloatArray, ...]  # (batch, hidden) each, the hidden one first


@dataclass(frozen=True, slots=True)
class Factors:
    """What is folded into the weights of a cell.

    Attributes:
        x, u: the factor of each gate, in its own kernels.
        hidden: the factor of what a layer shows, in the kernels that read it.
    """

    x: tuple[float, ...]
    u: tuple[float, ...]
    hidden: float


class RNN:
    """h = tanh(x + u)."""

    factors = Factors((1.0,), (1.0,), 1.0)

    def __init__(self, x: FloatArray) -> None:
        self.x = x

    def __call__(self, u: FloatArray, state: Vectors) -> None:
        self.x += u
        np.tanh(self.x, out=state[0])


class GRU:
    """z', r' = 1 + tanh((x + u) / 2), n = tanh(x + r' * u / 2), h = n + z' * (h - n) / 2."""

    factors = Factors((0.5, 0.5, 1.0), (0.5, 0.5, 0.5), 1.0)

    def __init__(self, x: FloatArray) -> None:
        size = x.shape[1] // 3
        self.x, self._both = x, x[:, : 2 * size]
        self._z, self._r, self._n = (x[:, k * size : (k + 1) * size] for k in range(3))

    def __call__(self, u: FloatArray, state: Vectors) -> None:
        (hidden,), n, both = state, self._n, self._both
        size = both.shape[1]
        both += u[:, :size]
        np.tanh(both, out=both)
        both += 1.0
        self._r *= u[:, size:]
        n += self._r
        np.tanh(n, out=n)
        hidden -= n
        hidden *= self._z
        hidden *= 0.5
        hidden += n


class LSTM:
    """i', f', o' = 1 + tanh((x + u) / 2), g = tanh(x + u), c = (f' * c + i' * g) / 2.

    It shows h' = o' * tanh(c), which is 2 h.
    """

    factors = Factors((0.5, 0.5, 0.5, 1.0), (0.5, 0.5, 0.5, 1.0), 0.5)

    def __init__(self, x: FloatArray) -> None:
        size = x.shape[1] // 4
        self.x, self._sigmoids = x, x[:, : 3 * size]
        self._i, self._f, self._o, self._g = (x[:, k * size : (k + 1) * size] for k in range(4))

    def __call__(self, u: FloatArray, state: Vectors) -> None:
        x, i, (hidden, cell) = self.x, self._i, state
        x += u
        np.tanh(x, out=x)
        self._sigmoids += 1.0
        cell *= self._f
        i *= self._g
        cell += i
        cell *= 0.5
        np.tanh(cell, out=hidden)
        hidden *= self._o


Cell: TypeAlias = RNN | GRU | LSTM

CELLS: dict[Architecture, type[Cell]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
