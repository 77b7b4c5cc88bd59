"""One network under training: its compiled step, its evaluation, and all it must remember."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.models import networks
from seqgen.models.parameters import Weights, initialise
from seqgen.training.batches import Batch
from seqgen.training.optimizer import Optimizer, clip_by_global_norm
from seqgen.training.schedule import rate_at

__all__ = ["Trainer", "Update"]

Tensors = dict[str, NDArray[Any]]


class Update:
    """What one update showed.

    Attributes:
        loss_nats: mean loss a token before the update.
        gradient_norm: global norm before clipping.
        applied: False when a number was not finite and the weights were left as they were.
    """

    __slots__ = ("applied", "gradient_norm", "loss_nats")

    def __init__(self, loss_nats: float, gradient_norm: float) -> None:
        self.loss_nats = loss_nats
        self.gradient_norm = gradient_norm
        self.applied = bool(np.isfinite(loss_nats) and np.isfinite(gradient_norm))


class Trainer:
    """A network, its optimizer and its carried state.

    Args:
        model, config: the network's shape and how it is trained.
        weights: to begin with; None means fresh ones from the seed.
    """

    def __init__(
        self, model: ModelConfig, config: TrainingConfig, weights: Weights | None = None
    ) -> None:
        self.config = config
        self.network = networks.build(model, dropout=config.dropout, precision=config.precision)
        self.network.import_weights(weights or initialise(model, config.seed))
        self.optimizer = Optimizer(self.network.weight, model.arch, config.weight_decay)
        self.state = tf.Variable(self.network.zero_state(config.batch_size), trainable=False)
        self._update = tf.function(self._update_eagerly, reduce_retracing=True)
        self._loss_sum = tf.function(self._loss_sum_eagerly, reduce_retracing=True)

    def update(self, batch: Batch, step: int) -> Update:
        """Learn from one batch as update ``step``, counted from 0."""
        config = self.config
        if batch.fresh:
            self.state.assign(tf.zeros_like(self.state))
        rate = rate_at(step, config.steps, config.learning_rate, config.warmup_steps)
        loss, norm = self._update(
            tf.constant(batch.ids),
            tf.constant(batch.targets),
            tf.constant([config.seed % (1 << 31), step % (1 << 31)], tf.int32),
            tf.constant(rate, tf.float32),
            tf.constant(step + 1, tf.float32),
        )
        return Update(float(loss), float(norm))

    def _update_eagerly(
        self, ids: tf.Tensor, targets: tf.Tensor, key: tf.Tensor, rate: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        weight = self.network.weight
        with tf.GradientTape() as tape:
            logits, state = self.network(ids, self.state, key)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in weight.values()])
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        gradients, norm = clip_by_global_norm(gradients, self.config.clip_norm)

        def apply() -> tf.Tensor:
            self.optimizer.apply(dict(zip(weight, gradients, strict=True)), rate, step)
            self.state.assign(state)
            return tf.constant(True)

        finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        tf.cond(finite, apply, lambda: tf.constant(False))
        return loss, norm

    def loss_sum(
        self,
        ids: NDArray[np.int32],
        targets: NDArray[np.int32],
        counted: NDArray[np.float32],
    ) -> float:
        """Sum of nats over the counted positions of some rows, all (rows, time)."""
        return float(self._loss_sum(tf.constant(ids), tf.constant(targets), tf.constant(counted)))

    def _loss_sum_eagerly(
        self, ids: tf.Tensor, targets: tf.Tensor, counted: tf.Tensor
    ) -> tf.Tensor:
        logits, _ = self.network(ids)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(losses * counted)

    def export_weights(self) -> Weights:
        """Copies of the weights, under their contract names."""
        return self.network.export_weights()

    def export_memory(self) -> Tensors:
        """Copies of all that an identical run needs to go on."""
        memory: Tensors = {f"weights/{n}": w for n, w in self.export_weights().items()}
        for name, variable in self.optimizer.memory.items():
            memory[f"optimizer/{name}"] = variable.numpy()
        memory["state"] = self.state.numpy()
        return memory

    def import_memory(self, memory: Tensors) -> None:
        """Take over what export_memory gave.

        Raises:
            KeyError, ValueError: a tensor is missing or has another shape.
        """
        self.network.import_weights({n: memory[f"weights/{n}"] for n in self.network.weight})
        for name, variable in self.optimizer.memory.items():
            variable.assign(memory[f"optimizer/{name}"])
        self.state.assign(memory["state"])
