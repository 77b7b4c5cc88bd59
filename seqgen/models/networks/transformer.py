"""A decoder-only Transformer (Vaswani et al. 2017) in its modern small form.

Pre-norm blocks on a residual stream; RMS norm without a gain (Zhang & Sennrich 2019); rotary
positions (Su et al. 2021); queries and keys normalised before they meet (Henry et al. 2020);
squared-ReLU MLP (So et al. 2021). Projections onto the residual stream start at zero.

    x  <- x + W_o attention(norm(x))
    x  <- x + W_down relu(W_up norm(x))**2
    logits = W_vocabulary norm(x)
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from seqgen.models.networks.network import Network
from seqgen.models.rotary import rotary_angles

__all__ = ["TransformerNetwork"]

NORM_EPSILON = 1e-6
MASKED = -1e9


def rms_norm(x: tf.Tensor) -> tf.Tensor:
    """x over the root of its mean square along the last axis."""
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + NORM_EPSILON)


def rotate(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor) -> tf.Tensor:
    """Turn the pairs (x[i], x[i + width/2]) by the angle of their position.

    Args:
        x: (batch, heads, time, width).
        cos, sin: (time, width / 2).
    """
    a, b = tf.split(x, 2, -1)
    return tf.concat([a * cos - b * sin, a * sin + b * cos], -1)


def squared_relu(x: tf.Tensor) -> tf.Tensor:
    """max(x, 0)**2, the activation of the MLP."""
    return tf.square(tf.nn.relu(x))


class TransformerNetwork(Network):
    """Token ids to logits through causal self-attention within each document; see the module."""

    def call(
        self, ids: tf.Tensor, state: tf.Tensor | None = None, key: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See Network.call. Attention needs no state beyond the window: it comes back unchanged."""
        config, weight = self.config, self.weight
        batch, time = tf.shape(ids)[0], tf.shape(ids)[1]
        width = config.hidden // config.heads

        # A query sees the keys before it in its own document. Rotary attention depends on the
        # distance of two positions alone, so positions need not restart with each document.
        document = tf.cumsum(tf.cast(ids == 0, tf.int32), axis=1)  # (batch, time)
        same = document[:, :, None] == document[:, None, :]  # (batch, time, time)
        causal = tf.linalg.band_part(tf.ones((time, time), tf.bool), -1, 0)
        mask = tf.where(same & causal, 0.0, MASKED)[:, None]  # (batch, 1, time, time)

        angles = tf.cast(tf.range(time), tf.float32)[:, None] * rotary_angles(width)[None]
        cos, sin = tf.cos(angles), tf.sin(angles)  # (time, width / 2)

        x = rms_norm(self.look_up(weight["embedding"], ids))  # (batch, time, hidden)
        x = tf.reshape(x, (batch * time, config.hidden))
        for layer in range(config.layers):
            block = f"block.{layer}"
            qkv = self.product(rms_norm(x), weight[f"{block}.attention.query_key_value"])
            qkv = tf.reshape(qkv, (batch, time, 3, config.heads, width))
            # (3, batch, heads, time, width)
            query, key_, value = tf.unstack(tf.transpose(qkv, (2, 0, 3, 1, 4)), num=3)
            query = rotate(rms_norm(query), cos, sin)
            key_ = rotate(rms_norm(key_), cos, sin)
            scores = tf.matmul(query, key_, transpose_b=True) * width**-0.5
            attention = tf.nn.softmax(scores + mask)  # (batch, heads, time, time)
            mixed = tf.transpose(tf.matmul(attention, value), (0, 2, 1, 3))
            mixed = tf.reshape(mixed, (batch * time, config.hidden))
            mixed = self.product(mixed, weight[f"{block}.attention.output"])
            x += self.drop(mixed, key, 2 * layer)
            inner = squared_relu(self.product(rms_norm(x), weight[f"{block}.mlp.up"]))
            x += self.drop(self.product(inner, weight[f"{block}.mlp.down"]), key, 2 * layer + 1)
        logits = self.product(rms_norm(x), weight["output.kernel"])
        logits = tf.reshape(logits, (batch, time, config.vocabulary))
        return logits, self.zero_state(0) if state is None else state

    def zero_state(self, batch: int) -> tf.Tensor:
        return tf.constant(np.zeros((0,), np.float32))
