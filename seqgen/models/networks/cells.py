"""The recurrent cells: one step of time, forwards and back, beside its equations.

W x + b is made for all steps before the loop over time and is called x here; U h, the one product
of each step, is called u, and z is x + u. Each is a tuple of its gates in the order of
seqgen.models.parameters, (batch, hidden) each. A gradient d_y is that of the loss by y.

The equations are written once for two that compute with them: TensorFlow, with whole batches
(recurrent.py), and the loop of our own, with sixteen units at a time (native/).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from seqgen.config import Architecture

__all__ = ["CELLS", "Cell", "State"]

# The vectors a cell remembers, (batch, hidden) each: h, which it also puts out, and an LSTM's c.
State = tuple[Any, ...]
Vectors = tuple[Any, ...]


class Cell(ABC):
    """One kind of recurrent cell.

    Attributes:
        saved: how many vectors of a step its way back needs.
        ways: 1 where only z counts, so that x and u have one gradient; else 2.
    """

    saved: int
    ways = 1

    @abstractmethod
    def forward(self, ops: Any, sums: Sequence[Vectors], state: State) -> tuple[State, Vectors]:
        """One step.

        Args:
            ops: what has ``sigmoid`` and ``tanh`` of the vectors.
            sums: z, or x and u where both count.
            state: before the step.
        Returns:
            The state after it, and what backward needs.
        """

    @abstractmethod
    def backward(self, d_state: State, saved: Vectors) -> tuple[Sequence[Vectors], State]:
        """The same step back.

        Args:
            d_state: of the state after the step.
            saved: what forward gave.
        Returns:
            d_z, or d_x and d_u; and that of the state before the step, but for the way through u:
            0 where there is no other.
        """


class RNN(Cell):
    """The simple recurrent network (Elman 1990).

    h = tanh(W x + b + U h)                     in MIT 6.S191: tanh(W_xh x + W_hh h)
    """

    saved = 1

    def forward(self, ops: Any, sums: Sequence[Vectors], _state: State) -> tuple[State, Vectors]:
        ((z,),) = sums
        h = ops.tanh(z)
        return (h,), (h,)

    def backward(self, d_state: State, saved: Vectors) -> tuple[Sequence[Vectors], State]:
        (d_h,), (h,) = d_state, saved
        d_z = d_h * (1.0 - h * h)
        return [(d_z,)], (0.0,)


class GRU(Cell):
    """The gated recurrent unit (Cho et al. 2014), its reset gate after the product as in cuDNN.

    z, r = sigmoid(W x + b + U h + b')          update and reset gate
    n    = tanh(W x + b + r * (U h + b'))       what is new
    h    = z * h + (1 - z) * n                  takes the place of what is old

    (It is keras.layers.GRU with reset_after; b' is the recurrent bias, which u holds already.)
    """

    saved = 5
    ways = 2

    def forward(self, ops: Any, sums: Sequence[Vectors], state: State) -> tuple[State, Vectors]:
        (x_z, x_r, x_n), (u_z, u_r, u_n) = sums
        (h,) = state
        z, r = ops.sigmoid(x_z + u_z), ops.sigmoid(x_r + u_r)
        n = ops.tanh(x_n + r * u_n)
        return (z * h + (1.0 - z) * n,), (z, r, n, u_n, h)

    def backward(self, d_state: State, saved: Vectors) -> tuple[Sequence[Vectors], State]:
        (d_h,) = d_state
        z, r, n, u_n, h = saved
        d_x_n = d_h * (1.0 - z) * (1.0 - n * n)
        d_x_r = d_x_n * u_n * r * (1.0 - r)
        d_x_z = d_h * (h - n) * z * (1.0 - z)
        return [(d_x_z, d_x_r, d_x_n), (d_x_z, d_x_r, d_x_n * r)], (d_h * z,)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with Gers' forget gate).

    i, f, o = sigmoid(W x + b + U h)        input, forget and output gate
    g       = tanh(W x + b + U h)           what may be written
    c       = f * c + i * g                 the cell remembers
    h       = o * tanh(c)                   and shows a part of it
    """

    saved = 6

    def forward(self, ops: Any, sums: Sequence[Vectors], state: State) -> tuple[State, Vectors]:
        ((z_i, z_f, z_o, z_g),) = sums
        _, before = state
        i, f, o = ops.sigmoid(z_i), ops.sigmoid(z_f), ops.sigmoid(z_o)
        g = ops.tanh(z_g)
        c = f * before + i * g
        shown = ops.tanh(c)
        return (o * shown, c), (i, f, o, g, before, shown)

    def backward(self, d_state: State, saved: Vectors) -> tuple[Sequence[Vectors], State]:
        d_h, d_c = d_state
        i, f, o, g, before, shown = saved
        d_c += d_h * o * (1.0 - shown * shown)
        d_z_i = d_c * g * i * (1.0 - i)
        d_z_f = d_c * before * f * (1.0 - f)
        d_z_o = d_h * shown * o * (1.0 - o)
        d_z_g = d_c * i * (1.0 - g * g)
        return [(d_z_i, d_z_f, d_z_o, d_z_g)], (0.0, d_c * f)


CELLS: dict[Architecture, Cell] = {"rnn": RNN(), "gru": GRU(), "lstm": LSTM()}
