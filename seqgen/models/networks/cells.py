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


class Cell(ABC):
    """One kind of recurrent cell.

    Attributes:
        saved: how many vectors of a step its way back needs.
    """

    saved: int

    @abstractmethod
    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, tf.Tensor]:
        """One step.

        Args:
            x, u: (batch, gates * hidden); see the module.
            state: before the step.
        Returns:
            The state after it, and what backward needs, (batch, saved * hidden).
        """

    @abstractmethod
    def backward(self, d_state: State, saved: tf.Tensor) -> tuple[tf.Tensor, State]:
        """The same step back.

        Args:
            d_state: of the state after the step.
            saved: what forward gave.
        Returns:
            d_x, (batch, gates * hidden), and that of the state before the step, but for the way
            through u: 0 where there is no other.
        """

    def d_u(self, d_x: tf.Tensor, _saved: tf.Tensor) -> tf.Tensor:
        """The gradient of u, shaped as d_x, from that of x: the same where x and u are added.

        Both arguments may have further axes before the last.
        """
        return d_x


class RNN(Cell):
    """The simple recurrent network (Elman 1990).

    h = tanh(W x + b + U h)                     in MIT 6.S191: tanh(W_xh x + W_hh h)
    """

    saved = 1

    def forward(self, x: tf.Tensor, u: tf.Tensor, _state: State) -> tuple[State, tf.Tensor]:
        h = tf.tanh(x + u)
        return (h,), h

    def backward(self, d_state: State, saved: tf.Tensor) -> tuple[tf.Tensor, State]:
        (d_h,), h = d_state, saved
        return d_h * (1.0 - h * h), (0.0,)


class GRU(Cell):
    """The gated recurrent unit (Cho et al. 2014), its reset gate after the product as in cuDNN.

    z, r = sigmoid(W x + b + U h + b')          update and reset gate
    n    = tanh(W x + b + r * (U h + b'))       what is new
    h    = z * h + (1 - z) * n                  takes the place of what is old

    (It is keras.layers.GRU with reset_after; b' is the recurrent bias, which u holds already.)
    """

    saved = 5

    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, tf.Tensor]:
        (h,), size = state, u.shape[-1] // 3
        gates = tf.sigmoid(x[:, : 2 * size] + u[:, : 2 * size])
        z, r = tf.split(gates, 2, 1)
        u_n = u[:, 2 * size :]
        n = tf.tanh(x[:, 2 * size :] + r * u_n)
        return (z * h + (1.0 - z) * n,), tf.concat([gates, n, u_n, h], 1)

    def backward(self, d_state: State, saved: tf.Tensor) -> tuple[tf.Tensor, State]:
        (d_h,) = d_state
        z, r, n, u_n, h = tf.split(saved, 5, 1)
        d_x_n = d_h * (1.0 - z) * (1.0 - n * n)
        d_x_r = d_x_n * u_n * r * (1.0 - r)
        d_x_z = d_h * (h - n) * z * (1.0 - z)
        return tf.concat([d_x_z, d_x_r, d_x_n], 1), (d_h * z,)

    def d_u(self, d_x: tf.Tensor, saved: tf.Tensor) -> tf.Tensor:
        size = d_x.shape[-1] // 3
        r = saved[..., size : 2 * size]
        return tf.concat([d_x[..., : 2 * size], d_x[..., 2 * size :] * r], -1)


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with Gers' forget gate).

    i, f, o = sigmoid(W x + b + U h)        input, forget and output gate
    g       = tanh(W x + b + U h)           what may be written
    c       = f * c + i * g                 the cell remembers
    h       = o * tanh(c)                   and shows a part of it
    """

    saved = 6

    def forward(self, x: tf.Tensor, u: tf.Tensor, state: State) -> tuple[State, tf.Tensor]:
        (_, before), size = state, u.shape[-1] // 4
        z = x + u
        gates = tf.sigmoid(z[:, : 3 * size])
        i, f, o = tf.split(gates, 3, 1)
        g = tf.tanh(z[:, 3 * size :])
        c = f * before + i * g
        shown = tf.tanh(c)
        return (o * shown, c), tf.concat([gates, g, before, shown], 1)

    def backward(self, d_state: State, saved: tf.Tensor) -> tuple[tf.Tensor, State]:
        d_h, d_c = d_state
        i, f, o, g, before, shown = tf.split(saved, 6, 1)
        d_c += d_h * o * (1.0 - shown * shown)
        d_x_i = d_c * g * i * (1.0 - i)
        d_x_f = d_c * before * f * (1.0 - f)
        d_x_o = d_h * shown * o * (1.0 - o)
        d_x_g = d_c * i * (1.0 - g * g)
        return tf.concat([d_x_i, d_x_f, d_x_o, d_x_g], 1), (0.0, d_c * f)


CELLS: dict[Architecture, Cell] = {"rnn": RNN(), "gru": GRU(), "lstm": LSTM()}
