"""A decoder-only Transformer (Vaswani et al. 2017) in its modern small form.

Pre-norm blocks on a residual stream; RMS norm without a gain (Zhang & Sennrich 2019); rotary
positions (Su et al. 2021); queries and keys normalised before they meet (Henry et al. 2020);
squared-ReLU MLP (So et al. 2021). Projections onto the residual stream start at zero. Before a
block attends, each number of a position is mixed with those of the few positions before it (a
causal depthwise convolution, as in Gu & Dao 2023), so that heads need not be spent on neighbours.

    x  =  norm(embedding of the token)
    x  <- x + W_o attention(convolve(norm(x)))
    x  <- x + W_down relu(W_up norm(x))**2
    logits = W_vocabulary norm(x)

Where the configuration says so, W_vocabulary is the embedding (Press & Wolf 2017), and the logits
are kept between -c and c, as c tanh(logits / c) (Gemma Team 2024).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from seqgen.models.networks.network import Network
from seqgen.models.rotary import rotary_angles

__all__ = ["TransformerNetwork"]

NORM_EPSILON = 1e-6
MASKED = -1e9


@tf.custom_gradient
def rms_norm(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """y = x / sqrt(mean(x**2)), along the last axis.

    Its gradient, dx = (dy - y mean(dy y)) / sqrt(mean(x**2)), takes half as many passes over x as
    that of its parts.
    """
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + NORM_EPSILON)
    y = x * scale

    def gradient(dy: tf.Tensor) -> tf.Tensor:
        return scale * (dy - y * tf.reduce_mean(dy * y, -1, keepdims=True))

    return y, gradient


def rotate(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor) -> tf.Tensor:
    """Turn the pairs (x[i], x[i + width/2]) by the angle of their position.

    Args:
        x: (batch, heads, time, width).
        cos, sin: of the angles; those of a pair stand where it stands, the first sine negated,
            (time, width).
    """
    return x * cos + tf.roll(x, x.shape[-1] // 2, -1) * sin


@tf.custom_gradient
def squared_relu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """y = relu(x)**2 and dx = 2 relu(x) dy."""
    r = tf.nn.relu(x)
    return tf.square(r), lambda dy: (r + r) * dy


@tf.custom_gradient
def attend(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    """The values that each query meets: O = P V, P = softmax(S), S = Q K' / sqrt(width) + mask.

    A row of dS is P (dP - sum(P dP)), whose sum is also sum(O dO): over the width and not over all
    keys (Dao et al. 2022).

    Args:
        query, key, value: (batch, heads, queries or keys, width).
        mask: (batch, 1, queries, keys).
    """
    scale = query.shape[-1] ** -0.5
    p = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * scale + mask)
    mixed = tf.matmul(p, value)

    def gradient(d: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        products = tf.cast(mixed, tf.float32) * tf.cast(d, tf.float32)
        row_sums = tf.cast(tf.reduce_sum(products, -1, keepdims=True) * -scale, d.dtype)
        d_scores = p * (tf.matmul(d, value, transpose_b=True) * scale + row_sums)
        d_query = tf.matmul(d_scores, key)
        d_key = tf.matmul(d_scores, query, transpose_a=True)
        return d_query, d_key, tf.matmul(p, d, transpose_a=True), None

    return mixed, gradient


def attend_causally(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """The same where the mask lets no query see later keys, so that the first half of the queries
    needs the first half of the keys only: a quarter of the work less."""
    time = tf.shape(query)[2]
    half = time // 2
    first_query, last_query = tf.split(query, [half, time - half], 2)
    first_key, _ = tf.split(key, [half, time - half], 2)
    first_value, _ = tf.split(value, [half, time - half], 2)
    # The mask is sliced: TensorFlow 2.21's graph optimizer, which makes one operation of a product
    # and what is added to it, takes the first part of a split for the second there.
    first = attend(first_query, first_key, first_value, mask[:, :, :half, :half])
    return tf.concat([first, attend(last_query, key, value, mask[:, :, half:])], 2)


@tf.custom_gradient
def convolve(
    x: tf.Tensor, kernel: tf.Tensor, before: tf.Tensor, after: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    """y[t] = sum over lags of kernel[lag] * x[t - lag], and the gradients of x and the kernel.

    Args:
        x: a position a row, (rows, hidden).
        kernel: (taps, hidden).
        before, after: which row lies 1, 2, ... positions before and after each; ``rows`` where
            none does, (taps - 1, rows) int32.
    """
    taps = kernel.shape[0]

    def shifted(z: tf.Tensor, places: tf.Tensor) -> list[tf.Tensor]:
        padded = tf.pad(z, [[0, 1], [0, 0]])  # the row of zeros that lies where no row does
        return [z] + [tf.gather(padded, places[lag]) for lag in range(taps - 1)]

    earlier = shifted(x, before)
    y = tf.add_n([z * kernel[lag] for lag, z in enumerate(earlier)])

    def gradient(dy: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        dx = tf.add_n([z * kernel[lag] for lag, z in enumerate(shifted(dy, after))])
        d_kernel = tf.stack([tf.reduce_sum(dy * z, 0) for z in earlier])
        return dx, d_kernel, None, None

    return y, gradient


def neighbours(document: tf.Tensor, most: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows of the positions 1 to ``most`` before and after each in its document, for convolve.

    Args:
        document: number of each position's document in its window, (batch, time).
    """
    batch, time = tf.shape(document)[0], tf.shape(document)[1]
    rows = tf.range(batch * time)
    numbers = tf.reshape(document + tf.range(batch)[:, None] * (time + 1), [-1])  # of all windows
    beyond = tf.fill((most,), -1)
    padded = tf.concat([beyond, numbers, beyond], 0)

    def at(distance: int) -> tf.Tensor:
        same = padded[most + distance : most + distance + batch * time] == numbers
        return tf.where(same, rows + distance, batch * time)

    lags = range(1, most + 1)
    return tf.stack([at(-lag) for lag in lags]), tf.stack([at(lag) for lag in lags])


class TransformerNetwork(Network):
    """Token ids to logits through causal self-attention within each document; see the module."""

    def call(
        self, ids: tf.Tensor, state: tf.Tensor | None = None, key: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See Network.call. Attention needs no state beyond the window: it comes back unchanged."""
        config, weight = self.config, self.weight
        batch, time = tf.shape(ids)[0], tf.shape(ids)[1]

        # Rotary attention depends on the distance of two positions alone, so positions need not
        # restart with each document.
        angles = rotary_angles(config.hidden // config.heads)[None]
        angles = tf.cast(tf.range(time), tf.float32)[:, None] * angles
        cos, sin = tf.cos(angles), tf.sin(angles)  # (time, width / 2)
        cos, sin = tf.concat([cos, cos], -1), tf.concat([-sin, sin], -1)  # (time, width)

        x = rms_norm(self.look_up(weight["embedding"], ids))  # (batch, time, hidden)
        x = tf.reshape(x, (batch * time, config.hidden))
        run_blocks = self._native_blocks if self.native else self._blocks
        x = run_blocks(x, ids, cos, sin, key)
        if config.tie_embeddings:
            logits = self.product(rms_norm(x), weight["embedding"], transpose_b=True)
        else:
            logits = self.product(rms_norm(x), weight["output.kernel"])
        if config.logit_softcap is not None:
            logits = config.logit_softcap * tf.tanh(logits / config.logit_softcap)
        logits = tf.reshape(logits, (batch, time, config.vocabulary))
        return logits, self.zero_state(0) if state is None else state

    def _blocks(
        self, x: tf.Tensor, ids: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor, key: tf.Tensor | None
    ) -> tf.Tensor:
        """The stream after the last block, (batch * time, hidden), from that before the first."""
        config, weight = self.config, self.weight
        batch, time = tf.shape(ids)[0], tf.shape(ids)[1]
        width = config.hidden // config.heads

        # A query sees the keys before it in its own document.
        document = tf.cumsum(tf.cast(ids == 0, tf.int32), axis=1)  # (batch, time)
        same = document[:, :, None] == document[:, None, :]  # (batch, time, time)
        causal = tf.linalg.band_part(tf.ones((time, time), tf.bool), -1, 0)
        mask = self.narrow(tf.where(same & causal, 0.0, MASKED))[:, None]  # (batch, 1, time, time)
        if config.convolution:
            before, after = neighbours(document, config.convolution - 1)

        for layer in range(config.layers):
            block = f"block.{layer}"
            y = rms_norm(x)
            if config.convolution:
                kernel = tf.convert_to_tensor(weight[f"{block}.attention.convolution"])
                y = convolve(y, kernel, before, after)
            qkv = self.narrow_product(y, weight[f"{block}.attention.query_key_value"])
            qkv = tf.reshape(qkv, (batch, time, 3 * config.heads, width))
            qkv = tf.transpose(qkv, (0, 2, 1, 3))  # (batch, 3 * heads, time, width)
            query_key, value = tf.split(qkv, [2 * config.heads, config.heads], 1)
            query_key = rotate(rms_norm(tf.cast(query_key, tf.float32)), cos, sin)
            query, key_ = tf.split(self.narrow(query_key), 2, 1)
            mixed = attend_causally(query, key_, value, mask)
            mixed = tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (batch * time, config.hidden))
            mixed = self.product(mixed, weight[f"{block}.attention.output"])
            x += self.drop(mixed, key, 2 * layer)
            inner = self.narrow_product(rms_norm(x), weight[f"{block}.mlp.up"])
            inner = self.product(squared_relu(inner), weight[f"{block}.mlp.down"])
            x += self.drop(inner, key, 2 * layer + 1)
        return x

    def _native_blocks(
        self, x: tf.Tensor, ids: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor, key: tf.Tensor | None
    ) -> tf.Tensor:
        """The same in machine code of our own."""
        from seqgen.models.networks.native.blocks import Weights, run_blocks

        layers = range(self.config.layers)

        def all_named(name: str) -> list[tf.Tensor]:
            names = (f"block.{layer}.{name}" for layer in layers)
            return [tf.convert_to_tensor(self.weight[n]) for n in names if n in self.weight]

        parts = ("convolution", "query_key_value", "output")
        weights = Weights(
            *(all_named(f"attention.{part}") for part in parts),
            *(all_named(f"mlp.{part}") for part in ("up", "down")),
        )
        keeps = tf.zeros((0, 0, 0))
        if key is not None and self.dropout > 0.0:
            places = range(2 * self.config.layers)
            keeps = tf.stack([self.drop(tf.ones_like(x), key, place) for place in places])
        heads = self.config.heads
        return run_blocks(x, ids, cos, sin, keeps, weights, heads, self.compute_type)

    def zero_state(self, batch: int) -> tf.Tensor:
        return tf.constant(np.zeros((0,), np.float32))
