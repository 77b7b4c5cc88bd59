"""What all networks share: their variables, matrix products and dropout."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqgen.config import ModelConfig, Precision
from seqgen.models import parameters
from seqgen.models.networks.native import can_run

__all__ = ["Network"]

# Up to this vocabulary a product with one-hot rows is faster than a gather: the gradient of a
# gather scatters row by row, the gradient of a product is one more product.
ONE_HOT_VOCABULARY = 1024


class Network(keras.layers.Layer):
    """A Keras layer from token ids to logits.

    Args:
        config: the shape; its weights are made at once, as zeros, under their contract names.
        dropout: share of activations dropped in training, between layers and before the logits.
        precision: of the matrix products; weights, sums and states are float32.
        native: whether to compute with code of our own (native/) where that can be.
    """

    def __init__(
        self, config: ModelConfig, *, dropout: float, precision: Precision, native: bool
    ) -> None:
        super().__init__(name=config.arch, autocast=False)
        self.config = config
        self.dropout = dropout
        self.native = native and can_run(config, precision)
        self.compute_type = tf.as_dtype(precision)
        self.weight = {
            name: self.add_weight(
                name=name.replace(".", "_"), shape=shape, initializer="zeros", dtype="float32"
            )
            for name, shape in parameters.shapes(config).items()
        }
        self.built = True

    @abstractmethod
    def call(
        self, ids: tf.Tensor, state: tf.Tensor | None = None, key: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits of the next token after every position.

        Args:
            ids: tokens, (batch, time) int32; the boundary token starts a new document.
            state: what zero_state gave or the last call returned; None starts afresh.
            key: (2,) int32 that decides the dropout; None drops nothing.
        Returns:
            Logits, (batch, time, vocabulary) float32, and the state after the last position.
        """

    @abstractmethod
    def zero_state(self, batch: int) -> tf.Tensor:
        """The state before the first token, (layers, vectors a layer remembers, batch,
        hidden) float32; empty if none."""

    def import_weights(self, weights: parameters.Weights) -> None:
        """Take over weights under their contract names."""
        for name, variable in self.weight.items():
            variable.assign(weights[name])

    def export_weights(self) -> parameters.Weights:
        """Copies of the weights under their contract names."""
        return {name: np.array(variable.numpy()) for name, variable in self.weight.items()}

    def product(self, x: tf.Tensor, kernel: Any, **transposes: bool) -> tf.Tensor:
        """Matrix product at the chosen precision, float32 out."""
        return tf.cast(self.narrow_product(x, kernel, **transposes), tf.float32)

    def narrow_product(self, x: tf.Tensor, kernel: Any, **transposes: bool) -> tf.Tensor:
        """Matrix product at the chosen precision, left so: for one that goes into the next."""
        return tf.matmul(self.narrow(x), self.narrow(kernel), **transposes)

    def narrow(self, x: Any) -> tf.Tensor:
        """A tensor at the precision of products: for one that many products share."""
        return tf.cast(tf.convert_to_tensor(x), self.compute_type)

    def look_up(self, table: Any, ids: tf.Tensor) -> tf.Tensor:
        """Rows of a table, (..., width) for ids of shape (...)."""
        table = tf.convert_to_tensor(table)
        vocabulary, width = table.shape
        if vocabulary > ONE_HOT_VOCABULARY:
            return tf.gather(table, ids)
        rows = self.product(tf.one_hot(tf.reshape(ids, [-1]), vocabulary), table)
        return tf.reshape(rows, tf.concat([tf.shape(ids), [width]], 0))

    def drop(self, x: tf.Tensor, key: tf.Tensor | None, place: int) -> tf.Tensor:
        """Inverted dropout whose mask is a function of ``key`` and ``place`` alone."""
        if key is None or self.dropout == 0.0:
            return x
        # Stateless, so that a resumed run drops what the uninterrupted one would have dropped, and
        # by a named algorithm, so that compiled it is the same. Two numbers are made of each 32
        # random bits, which cost more than all else here.
        seed, size = tf.random.fold_in(key, place, alg="philox"), tf.size(x)
        bits = tf.random.stateless_uniform(
            ((size + 1) // 2,), seed, None, None, tf.uint32, alg="philox"
        )
        numbers = tf.reshape(tf.bitcast(bits, tf.uint16), [-1])[:size]
        dropped = round(self.dropout * (1 << 16))
        kept = tf.reshape(tf.cast(numbers >= dropped, tf.float32), tf.shape(x))
        return x * (kept * (1.0 / (1.0 - self.dropout)))
