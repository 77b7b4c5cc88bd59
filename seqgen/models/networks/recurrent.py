"""Recurrent networks over whole sequences; the equations of their cells are in cells.py.

Backpropagation through time is written out below rather than left to automatic differentiation,
which would multiply and add one weight gradient as large as U a time step. Here only the recurrent
product stays in the loop; inputs are multiplied before it for all steps at once, and the weight
gradient after it in one product.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from seqgen.models import parameters
from seqgen.models.networks.cells import CELLS, State
from seqgen.models.networks.network import Network

__all__ = ["RecurrentNetwork"]


class RecurrentNetwork(Network):
    """Token ids to logits: embedding, recurrent layers, dropout, output; see the module."""

    def call(
        self, ids: tf.Tensor, state: tf.Tensor | None = None, key: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See Network.call. The state is that of every layer's cell."""
        config, weight = self.config, self.weight
        ids = tf.transpose(ids)  # (time, batch): the loop over time reads whole rows
        time, batch = tf.unstack(tf.shape(ids))
        if state is None:
            state = self.zero_state(batch)
        keep = tf.cast(ids != 0, tf.float32)

        last = []
        hidden = None
        for layer in range(config.layers):
            kernel = weight[f"{config.arch}.{layer}.input_kernel"]
            bias = weight[f"{config.arch}.{layer}.bias"]
            if layer == 0:
                # The product has only `vocabulary` different rows: make them once.
                table, rows = tf.matmul(weight["embedding"], kernel) + bias, ids
            else:
                x = tf.reshape(self.drop(hidden, key, layer), (-1, config.hidden))
                table, rows = self.product(x, kernel) + bias, None
            hidden, after = self.recur(layer, table, rows, keep, state[layer])
            last.append(after)
        x = tf.reshape(self.drop(hidden, key, config.layers), (-1, config.hidden))
        logits = self.product(x, weight["output.kernel"]) + weight["output.bias"]
        logits = tf.reshape(logits, (time, batch, config.vocabulary))
        return tf.transpose(logits, (1, 0, 2)), tf.stop_gradient(tf.stack(last))

    def zero_state(self, batch: int) -> tf.Tensor:
        config = self.config
        return tf.zeros((config.layers, parameters.STATES[config.arch], batch, config.hidden))

    def recur(
        self,
        layer: int,
        table: tf.Tensor,
        rows: tf.Tensor | None,
        keep: tf.Tensor,
        state: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Run a layer over time.

        Args:
            layer: its number, from 0.
            table: W x + b, (any, gates * hidden).
            rows: which of its rows each step takes, (time, batch); None: one after the other.
            keep: 0 where a document starts and the state is forgotten first, else 1,
                (time, batch).
            state: before the first step, (states, batch, hidden); no gradient flows into it, which
                truncates backpropagation at the window.
        Returns:
            The hidden states, (time, batch, hidden), and the state after the last step.
        """
        # U, and the recurrent bias where the architecture has one.
        names = [f"{self.config.arch}.{layer}.recurrent_{what}" for what in ("kernel", "bias")]
        weights = [tf.convert_to_tensor(self.weight[name]) for name in names if name in self.weight]
        if self.native:
            from seqgen.models.networks.native.layer import recur

            return recur(self.config.arch, self.compute_type, table, rows, keep, state, *weights)
        if rows is not None:
            inputs = self.look_up(table, rows)
        else:
            inputs = tf.reshape(table, (*tf.unstack(tf.shape(keep)), table.shape[-1]))
        return self._recur_in_plain_operations(inputs, keep[..., None], state, weights)

    def _recur_in_plain_operations(
        self, inputs: tf.Tensor, keep: tf.Tensor, before: tf.Tensor, weights: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        cell, product = CELLS[self.config.arch], self.product
        time, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
        size, width = self.config.hidden, inputs.shape[-1]
        gates = width // size
        state = tuple(tf.unstack(before, parameters.STATES[self.config.arch]))

        # What goes from step to step is never joined: such a copy takes longer than its use. A row
        # of a tensor, inputs[t], is none.
        def series(last_axis: int) -> tf.TensorArray:
            shape = (None, last_axis)
            return tf.TensorArray(tf.float32, time, element_shape=shape, clear_after_read=False)

        @tf.custom_gradient
        def run(inputs: tf.Tensor, kernel: tf.Tensor, *biases: tf.Tensor) -> tuple[Any, object]:
            # Rounded once: in the loop that would take as long as the product. And turned once:
            # products of few rows are faster along the columns.
            kernel = self.narrow(kernel)
            turned = tf.transpose(kernel)

            def forward(t: Any, state: State, hs: Any, saved: Any) -> tuple[Any, ...]:
                state = tuple(part * keep[t] for part in state)
                u = product(state[0], turned, transpose_b=True)  # (batch, gates * hidden)
                for bias in biases:
                    u += bias
                sums = [inputs[t] + u] if cell.ways == 1 else [inputs[t], u]
                sums = [tf.split(each, gates, 1) for each in sums]
                state, needed = cell.forward(tf, sums, state)
                saved = tuple(all_.write(t, one) for all_, one in zip(saved, needed, strict=True))
                return t + 1, state, hs.write(t, state[0]), saved

            _, last, hs, saved = tf.while_loop(
                lambda t, *_: t < time,
                forward,
                (0, state, series(size), tuple(series(size) for _ in range(cell.saved))),
                maximum_iterations=time,
            )
            hs = hs.stack()

            def gradient(d_hs: tf.Tensor, *_d_last: tf.Tensor) -> tuple[tf.Tensor, ...]:
                def backward(k: Any, d_state: State, d_series: Any) -> tuple[Any, ...]:
                    t = time - 1 - k
                    needed = tuple(each.read(t) for each in saved)
                    d_h, *d_rest = d_state
                    d_sums, (d_h, *d_rest) = cell.backward((d_h + d_hs[t], *d_rest), needed)
                    d_xu = [tf.concat(d_gates, 1) for d_gates in d_sums]
                    d_h += product(d_xu[-1], kernel, transpose_b=True)
                    written = tuple(d.write(t, one) for d, one in zip(d_series, d_xu, strict=True))
                    return k + 1, tuple(d * keep[t] for d in (d_h, *d_rest)), written

                zero = tuple(tf.zeros((batch, size)) for _ in state)
                _, _, d_series = tf.while_loop(
                    lambda k, *_: k < time,
                    backward,
                    (0, zero, tuple(series(width) for _ in range(cell.ways))),
                    maximum_iterations=time,
                )
                d_xu = [each.stack() for each in d_series]  # (time, batch, gates * hidden) each
                d_xs, d_us = d_xu[0], tf.reshape(d_xu[-1], (-1, width))
                previous_hs = tf.concat([state[0][None], hs[:-1]], 0) * keep
                d_kernel = product(tf.reshape(previous_hs, (-1, size)), d_us, transpose_a=True)
                return d_xs, d_kernel, *(tf.reduce_sum(d_us, 0) for _ in biases)

            return (hs, *last), gradient

        hs, *last = run(inputs, *weights)
        return hs, tf.stack(last)
