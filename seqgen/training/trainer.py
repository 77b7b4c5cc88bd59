"""One network under training: its compiled step, its evaluation, and all it must remember.

An update averages the gradients of ``accumulate`` batches: it is that of one batch so many times as
large, in the memory of one. With ``ema``, what is evaluated and saved is a moving average of the
weights; its decay begins low, (1 + n) / (10 + n) after update n, so that a short run's average does
not lag behind by its beginning (as in TensorFlow's ExponentialMovingAverage).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.models import networks
from seqgen.models.parameters import Weights, initialise
from seqgen.training.batches import Batch
from seqgen.training.optimizer import (
    Optimizer,
    average_weights,
    clip_by_global_norm,
    clip_by_value,
)
from seqgen.training.schedule import rate_at

__all__ = ["Trainer", "Update"]

Tensors = dict[str, NDArray[Any]]


class Update:
    """What one update showed.

    Attributes:
        loss_nats: mean loss a token before the update.
        gradient_norm: global norm before clipping (by norm or value).
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
        begin = weights or initialise(model, config.seed)
        build = functools.partial(
            networks.build, model, precision=config.precision, native=config.compute == "native"
        )
        self.network = build(dropout=config.dropout)
        self.network.import_weights(begin)
        self.judged = self.network  # what is evaluated and saved
        if config.ema is not None:
            self.judged = build(dropout=0.0)
            self.judged.import_weights(begin)
        self.optimizer = Optimizer(
            self.network.weight, model.arch, config.weight_decay, native=self.network.native
        )
        state = self.network.zero_state(config.batch_size)
        if config.accumulate > 1:  # one for each batch of an update
            state = tf.stack([state] * config.accumulate)
        self.state = tf.Variable(state, trainable=False)
        compiled = config.compute == "xla"
        # They say themselves what is to be chosen and repeated. Autograph, which would look for it
        # in their source, takes a quarter of a small network's start and finds nothing.
        self._update = tf.function(
            self._update_eagerly,
            autograph=False,
            reduce_retracing=True,
            jit_compile=compiled or None,
        )
        self._loss_sum = tf.function(self._loss_sum_eagerly, autograph=False, reduce_retracing=True)

    def update(self, batch: Batch, step: int, *, rate_scale: float = 1.0) -> Update:
        """Learn from ``accumulate * batch_size`` sequences as update ``step``, counted from 0, at
        ``rate_scale`` times the scheduled rate."""
        config = self.config
        if batch.fresh:
            self.state.assign(tf.zeros_like(self.state))
        rate = rate_at(step, config.steps, config.learning_rate, config.warmup_steps) * rate_scale
        loss, norm = self._update(
            tf.constant(batch.ids),
            tf.constant(batch.targets),
            tf.constant([config.seed % (1 << 31), step % (1 << 31)], tf.int32),
            # Arrays: of every number TensorFlow would keep a tensor for ever, to have it again.
            tf.constant(np.array(rate, np.float32)),
            tf.constant(np.array(step + 1, np.float32)),
        )
        return Update(float(loss), float(norm))

    def _update_eagerly(
        self, ids: tf.Tensor, targets: tf.Tensor, key: tf.Tensor, rate: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        config, weight = self.config, self.network.weight
        differentiate = self._differentiate if config.accumulate == 1 else self._accumulate
        loss, gradients, state = differentiate(ids, targets, self.state, key)
        gradients, norm = self._clip(gradients)

        def apply() -> tf.Tensor:
            self.optimizer.apply(dict(zip(weight, gradients, strict=True)), rate, step)
            if config.ema is not None:
                average_weights(self.judged.weight, weight, config.ema, step)
            self.state.assign(state)
            return tf.constant(True)

        finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
        tf.cond(finite, apply, lambda: tf.constant(False))
        return loss, norm

    def _clip(self, gradients: list[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        if self.config.clip_norm is not None:
            return clip_by_global_norm(gradients, self.config.clip_norm)
        assert self.config.clip_value is not None  # a configuration has one of them
        return clip_by_value(gradients, self.config.clip_value)

    def _differentiate(
        self, ids: tf.Tensor, targets: tf.Tensor, state: tf.Tensor, key: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
        """Mean loss of a batch, its gradients in the order of the weights, and the next state."""
        with tf.GradientTape() as tape:
            logits, state = self.network(ids, state, key)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in self.network.weight.values()])
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients], state

    def _accumulate(
        self, ids: tf.Tensor, targets: tf.Tensor, states: tf.Tensor, key: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
        """The same for all batches of an update, one after the other."""
        batches = self.config.accumulate
        shape = (batches, self.config.batch_size, -1)
        ids, targets = tf.reshape(ids, shape), tf.reshape(targets, shape)

        def add(i: Any, loss: Any, sums: Any, next_states: Any) -> tuple[Any, ...]:
            # A key of its own: no two batches of an update drop the same activations.
            folded = tf.random.fold_in(key, i)
            more, gradients, state = self._differentiate(ids[i], targets[i], states[i], folded)
            sums = [a + b for a, b in zip(sums, gradients, strict=True)]
            return i + 1, loss + more, sums, next_states.write(i, state)

        zeros = [tf.zeros(weight.shape) for weight in self.network.weight.values()]
        next_states = tf.TensorArray(tf.float32, batches, element_shape=states.shape[1:])
        _, loss, sums, next_states = tf.while_loop(
            lambda i, *_: i < batches,
            add,
            (0, 0.0, zeros, next_states),
            parallel_iterations=1,  # the memory of one batch, and sums in one order
        )
        return loss / batches, [total / batches for total in sums], next_states.stack()

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
        logits, _ = self.judged(ids)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(losses * counted)

    def export_weights(self) -> Weights:
        """Copies of the weights that are evaluated and saved, under their contract names."""
        return self.judged.export_weights()

    def export_memory(self) -> Tensors:
        """Copies of all that an identical run needs to go on."""
        memory: Tensors = {f"weights/{n}": w for n, w in self.network.export_weights().items()}
        if self.config.ema is not None:
            memory |= {f"average/{n}": w for n, w in self.export_weights().items()}
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
        if self.config.ema is not None:
            self.judged.import_weights({n: memory[f"average/{n}"] for n in self.judged.weight})
        for name, variable in self.optimizer.memory.items():
            variable.assign(memory[f"optimizer/{name}"])
        self.state.assign(memory["state"])
