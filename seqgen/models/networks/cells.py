"""The recurrent cells: one step of time, forwards and back, beside its equations.

W x + b is made for all steps before the loop over time and is called x here; U h, the one product
of each step, is called u. Both have a block of `hidden` columns for each gate, in the order of
seqgen.models.parameters. A gradient d_y is that of the loss by y.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import tensorflow as tf

from seqgen.config import Architecture

__all__ = ["CELLS", "Cell", "State"]

# The vectors a cell remembers, (batch, hidden) each: h, which it also puts out, and an LSTM's c.
State = tuple[Any, ...]
Tensors = tuple[Any, ...]


class Cell(ABC):
    """One kind of recurrent cell.

    Attributes:
        saved: how many vectors of a step its way back needs.
        ways: 1 where x and u are added, so that they have one gradient; else 2.
    """

    saved: int
    ways = 1

    @abstractmethod
    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, Tensors]:
        """One step.

        Args:
            x, u: (batch, gates * hidden); see the module.
            state: before the step.
        Returns:
            The state after it, and what backward needs, (batch, hidden) each.
        """

    @abstractmethod
    def backward(self, d_state: State, saved: Tensors) -> tuple[Tensors, State]:
        """The same step back.

        Args:
            d_state: of the state after the step.
            saved: what forward gave.
        Returns:
            d_x, and d_u where it is another, (batch, gates * hidden) each; and that of the state
            before the step, but for the way through u: 0 where there is no other.
        """


class RNN(Cell):
    """The simple recurrent network (Elman 1990).

    h = tanh(W x + b + U h)                     in MIT 6.S191: tanh(W_xh x + W_hh h)
    """

    saved = 1

    def forward(self, x: tf.Tensor, u: tf.Tensor, _state: State) -> tuple[State, Tensors]:
        h = tf.tanh(x + u)
        return (h,), (h,)

    def backward(self, d_state: State, saved: Tensors) -> tuple[Tensors, State]:
        (d_h,), (h,) = d_state, saved
        return (d_h * (1.0 - h * h),), (0.0,)


class GRU(Cell):
    """The gated recurrent unit (Cho et al. 2014), its reset gate after the product as in cuDNN.

    z, r = sigmoid(W x + b + U h + b')          update and reset gate
    n    = tanh(W x + b + r * (U h + b'))       what is new
    h    = z * h + (1 - z) * n                  takes the place of what is old

    (It is keras.layers.GRU with reset_after; b' is the recurrent bias, which u holds already.)
    """

    saved = 5
    ways = 2

    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, Tensors]:
        (h,) = state
        x_z, x_r, x_n = tf.split(x, 3, 1)
        u_z, u_r, u_n = tf.split(u, 3, 1)
        z, r = tf.sigmoid(x_z + u_z), tf.sigmoid(x_r + u_r)
        n = tf.tanh(x_n + r * u_n)
        return (z * h + (1.0 - z) * n,), (z, r, n, u_n, h)

    def backward(self, d_state: State, saved: Tensors) -> tuple[Tensors, State]:
        (d_h,) = d_state
        z, r, n, u_n, h = saved
        d_x_n = d_h * (1.0 - z) * (1.0 - n * n)
        d_x_r = d_x_n * u_n * r * (1.0 - r)
        d_x_z = d_h * (h - n) * z * (1.0 - z)
        d_x = tf.concat([d_x_z, d_x_r, d_x_n], 1)
        d_u = tf.concat([d_x_z, d_x_r, d_x_n * r], 1)
        return (d_x, d_u), (d_h * z,)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with Gers' forget gate).

    i, f, o = sigmoid(W x + b + U h)        input, forget and output gate
    g       = tanh(W x + b + U h)           what may be written
    c       = f * c + i * g                 the cell remembers
    h       = o * tanh(c)                   and shows a part of it
    """

    saved = 6

    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, Tensors]:
        _, before = state
        z_i, z_f, z_o, z_g = tf.split(x + u, 4, 1)
        i, f, o = tf.sigmoid(z_i), tf.sigmoid(z_f), tf.sigmoid(z_o)
        g = tf.tanh(z_g)
        c = f * before + i * g
        shown = tf.tanh(c)
        return (o * shown, c), (i, f, o, g, before, shown)

    def backward(self, d_state: State, saved: Tensors) -> tuple[Tensors, State]:
        d_h, d_c = d_state
        i, f, o, g, before, shown = saved
        d_c += d_h * o * (1.0 - shown * shown)
        d_x_i = d_c * g * i * (1.0 - i)
        d_x_f = d_c * before * f * (1.0 - f)
        d_x_o = d_h * shown * o * (1.0 - o)
        d_x_g = d_c * i * (1.0 - g * g)
        return (tf.concat([d_x_i, d_x_f, d_x_o, d_x_g], 1),), (0.0, d_c * f)


CELLS: dict[Architecture, Cell] = {"rnn": RNN(), "gru": GRU(), "lstm": LSTM()}
