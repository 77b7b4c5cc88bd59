"""The LSTM (Hochreiter & Schmidhuber 1997, with Gers' forget gate) over whole sequences.

    i, f, o = sigmoid(W x + U h + b)        input, forget and output gate
    g       = tanh(W x + U h + b)           what may be written
    c       = f * c + i * g                 the cell remembers
    h       = o * tanh(c)                   and shows a part of it

Backpropagation through time is written out below rather than left to automatic differentiation,
which would multiply and add one (hidden, 4 hidden) weight gradient a time step. Here only the
recurrent product stays in the loop; inputs are multiplied before it for all steps at once, and the
weight gradient after it in one product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from seqgen.models.networks.network import Network

__all__ = ["RecurrentNetwork"]


def lstm_sequence(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    keep: tf.Tensor,
    hidden: tf.Tensor,
    cell: tf.Tensor,
    product: Callable[..., tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Run the recurrence over time.

    Args:
        inputs: W x + b of every step, (time, batch, 4 * hidden), gates in contract order.
        kernel: U, (hidden, 4 * hidden).
        keep: 0 where a document starts and the state is forgotten first, else 1, (time, batch, 1).
        hidden, cell: the state before the first step, (batch, hidden) each; no gradient flows
            into them, which truncates backpropagation at the window.
        product: the matrix product.
    Returns:
        The hidden states, (time, batch, hidden), and the last cell, (batch, hidden).
    """

    @tf.custom_gradient
    def run(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
        time, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
        size = kernel.shape[0]
        state_shape = (None, size)
        inputs_at = tf.TensorArray(tf.float32, time).unstack(inputs)
        keep_at = tf.TensorArray(tf.float32, time, clear_after_read=False).unstack(keep)

        def forward(t: Any, h: Any, c: Any, hs: Any, cs: Any, gates: Any) -> tuple[Any, ...]:
            kept = keep_at.read(t)
            h, c = h * kept, c * kept
            z = inputs_at.read(t) + product(h, kernel)  # (batch, 4 * hidden)
            sigmoids = tf.sigmoid(z[:, : 3 * size])
            g = tf.tanh(z[:, 3 * size :])
            i, f, o = tf.split(sigmoids, 3, 1)
            c = f * c + i * g
            h = o * tf.tanh(c)
            gates = gates.write(t, tf.concat([sigmoids, g], 1))
            return t + 1, h, c, hs.write(t, h), cs.write(t, c), gates

        _, _, last_cell, hs, cs, gates = tf.while_loop(
            lambda t, *_: t < time,
            forward,
            (
                0,
                hidden,
                cell,
                tf.TensorArray(tf.float32, time, element_shape=state_shape),
                tf.TensorArray(tf.float32, time, element_shape=state_shape),
                tf.TensorArray(tf.float32, time, element_shape=(None, 4 * size)),
            ),
            maximum_iterations=time,
        )
        hs, cs, gates = hs.stack(), cs.stack(), gates.stack()

        def gradient(d_hs: tf.Tensor, _d_last_cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            previous_h = tf.concat([hidden[None], hs[:-1]], 0) * keep
            previous_c = tf.concat([cell[None], cs[:-1]], 0) * keep
            d_hs_at = tf.TensorArray(tf.float32, time).unstack(d_hs)
            gates_at = tf.TensorArray(tf.float32, time).unstack(gates)
            cs_at = tf.TensorArray(tf.float32, time).unstack(cs)
            previous_c_at = tf.TensorArray(tf.float32, time).unstack(previous_c)

            def backward(k: Any, d_h: Any, d_c: Any, d_zs: Any) -> tuple[Any, ...]:
                t = time - 1 - k
                kept = keep_at.read(t)
                d_h += d_hs_at.read(t)
                i, f, o, g = tf.split(gates_at.read(t), 4, 1)
                shown = tf.tanh(cs_at.read(t))
                d_c += d_h * o * (1.0 - shown * shown)
                d_z = tf.concat(
                    [
                        d_c * g * i * (1.0 - i),
                        d_c * previous_c_at.read(t) * f * (1.0 - f),
                        d_h * shown * o * (1.0 - o),
                        d_c * i * (1.0 - g * g),
                    ],
                    1,
                )
                d_h = product(d_z, kernel, transpose_b=True) * kept
                return k + 1, d_h, d_c * f * kept, d_zs.write(t, d_z)

            zero = tf.zeros((batch, size))
            _, _, _, d_zs = tf.while_loop(
                lambda k, *_: k < time,
                backward,
                (0, zero, zero, tf.TensorArray(tf.float32, time, element_shape=(None, 4 * size))),
                maximum_iterations=time,
            )
            d_zs = d_zs.stack()  # (time, batch, 4 * hidden): also the gradient of the inputs
            d_kernel = product(
                tf.reshape(previous_h, (-1, size)),
                tf.reshape(d_zs, (-1, 4 * size)),
                transpose_a=True,
            )
            return d_zs, d_kernel

        return (hs, last_cell), gradient

    return run(inputs, kernel)


class RecurrentNetwork(Network):
    """Token ids to logits: embedding, LSTM layers, dropout, output; see the module."""

    def call(
        self, ids: tf.Tensor, state: tf.Tensor | None = None, key: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See Network.call. The state is every layer's hidden and cell."""
        config, weight = self.config, self.weight
        size = config.hidden
        ids = tf.transpose(ids)  # (time, batch): the loop over time reads whole rows
        time, batch = tf.shape(ids)[0], tf.shape(ids)[1]
        if state is None:
            state = tf.zeros((config.layers, 2, batch, size))
        keep = tf.cast(ids != 0, tf.float32)[..., None]  # (time, batch, 1)

        # The first layer's input product has only `vocabulary` different rows: make them once.
        table = tf.matmul(weight["embedding"], weight["lstm.0.input_kernel"])
        inputs = self.look_up(table + weight["lstm.0.bias"], ids)  # (time, batch, 4 * hidden)
        last = []
        hidden = inputs
        for layer in range(config.layers):
            if layer > 0:
                x = tf.reshape(self.drop(hidden, key, layer), (-1, size))
                inputs = self.product(x, weight[f"lstm.{layer}.input_kernel"])
                inputs = tf.reshape(inputs, (time, batch, 4 * size)) + weight[f"lstm.{layer}.bias"]
            hidden, cell = lstm_sequence(
                inputs,
                tf.convert_to_tensor(weight[f"lstm.{layer}.recurrent_kernel"]),
                keep,
                state[layer, 0],
                state[layer, 1],
                self.product,
            )
            last.append(tf.stack([hidden[-1], cell]))
        x = tf.reshape(self.drop(hidden, key, config.layers), (-1, size))
        logits = self.product(x, weight["output.kernel"]) + weight["output.bias"]
        logits = tf.reshape(logits, (time, batch, config.vocabulary))
        return tf.transpose(logits, (1, 0, 2)), tf.stop_gradient(tf.stack(last))

    def zero_state(self, batch: int) -> tf.Tensor:
        return tf.zeros((self.config.layers, 2, batch, self.config.hidden))
