"""Updates: AdamW, and Muon for the Transformer's matrices.

AdamW (Loshchilov & Hutter 2019) scales each number's step by its own recent gradients. Muon (Jordan
et al. 2024) moves a matrix as a whole: the momentum is replaced by the nearest matrix with equal
singular values, found by a few products, so that rare directions move as far as common ones.
Embeddings and outputs, whose rows are tokens, stay with AdamW, and so do convolutions, whose
columns are not mixed; neither embeddings nor convolutions decay.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from seqgen.config import Architecture

__all__ = ["Optimizer", "average_weights", "clip_by_global_norm", "clip_by_value"]

BETA_MEAN, BETA_SQUARE, EPSILON = 0.9, 0.98, 1e-9
MUON_MOMENTUM = 0.95
# AdamW's rate beside Muon's: what remains to it are embeddings and outputs.
ADAM_SHARE = 0.15
UNMIXED = ".convolution"
# Of x, x**3 and x**5: of all such steps in a row those that bring every singular value between 0.01
# and 1 nearest to 1, to 0.73 to 1.27 (Amsel et al. 2025).
POLAR_STEPS = (
    (8.0934, -23.6204, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
)
NORM_EPSILON = 1e-7


def clip_by_global_norm(
    gradients: list[tf.Tensor], limit: float
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Gradients scaled down together so that their joint norm is at most ``limit``; and that norm
    before (Pascanu et al. 2013)."""
    norm = tf.linalg.global_norm(gradients)
    scale = limit / tf.maximum(norm, limit)
    return [gradient * scale for gradient in gradients], norm


def clip_by_value(gradients: list[tf.Tensor], limit: float) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Gradients each of whose numbers is cut to at most ``limit``, up and down; and their global
    norm before."""
    clipped = [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]
    return clipped, tf.linalg.global_norm(gradients)


def average_weights(
    averages: dict[str, Any], weights: dict[str, Any], decay: float, step: tf.Tensor
) -> None:
    """Move the averages towards the weights after update ``step``, counted from 1, float32.

    The decay is at most (1 + step) / (10 + step): an average over the last few weights at first.
    """
    share = 1.0 - tf.minimum(decay, (1.0 + step) / (10.0 + step))
    for name, average in averages.items():
        average.assign_sub(share * (average - weights[name]))


def orthogonalise(matrix: tf.Tensor) -> tf.Tensor:
    """A matrix with the same singular vectors, and singular values near 1.

    A step is x <- (a + b g + c g g) x with g = x x', on the short side. All its factors are
    polynomials in the first g and commute, so g and the product of all factors are carried along
    instead of x: small square matrices, whatever the long side. To begin with, the largest
    singular value must be at most 1, and the nearer the fewer steps are needed: the root of the
    norm of g g, which the first step has anyway, is seldom twice the largest eigenvalue of g.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if tall else matrix
    x /= tf.norm(x) + NORM_EPSILON
    one = tf.eye(x.shape[0])
    gram = tf.matmul(x, x, transpose_b=True)
    square = tf.matmul(gram, gram)
    most = tf.sqrt(tf.norm(square)) + NORM_EPSILON
    gram, square = gram / most, square / most**2
    (a, b, c), *others = POLAR_STEPS
    all_steps = step = a * one + b * gram + c * square
    for a, b, c in others:
        gram = tf.matmul(step, tf.matmul(gram, step))
        step = a * one + b * gram + c * tf.matmul(gram, gram)
        all_steps = tf.matmul(step, all_steps)
    x = tf.matmul(all_steps, x) / tf.sqrt(most)
    return tf.transpose(x) if tall else x


class Optimizer:
    """Holds what has to be remembered of each weight between updates.

    Args:
        weights: variables by contract name.
        arch: decides which rule each weight follows.
        weight_decay: share of a matrix, per unit of learning rate, taken off at each update.
        native: whether Muon's updates are made by code of our own.
    """

    def __init__(
        self,
        weights: dict[str, Any],
        arch: Architecture,
        weight_decay: float,
        *,
        native: bool = False,
    ) -> None:
        self.native = native
        self.weights = weights
        self.weight_decay = weight_decay
        self.muon = {
            name
            for name in weights
            if arch == "transformer" and name.startswith("block.") and not name.endswith(UNMIXED)
        }
        self.memory: dict[str, tf.Variable] = {}
        for name, weight in weights.items():
            for what in ("momentum",) if name in self.muon else ("mean", "square"):
                self.memory[f"{what}/{name}"] = tf.Variable(
                    tf.zeros(weight.shape), trainable=False, name=f"{what}_{name}".replace(".", "_")
                )
        self.adam_share = ADAM_SHARE if self.muon else 1.0

    def apply(self, gradients: dict[str, tf.Tensor], rate: tf.Tensor, step: tf.Tensor) -> None:
        """Update every weight.

        Args:
            gradients: by contract name.
            rate: learning rate of this update.
            step: number of this update, from 1, float32.
        """
        for name, gradient in gradients.items():
            if name not in self.muon:
                self._adam(name, gradient, rate * self.adam_share, step)
            elif not self.native:
                self._muon(name, gradient, rate)
        if self.muon and self.native:
            self._muon_natively({name: gradients[name] for name in sorted(self.muon)}, rate)

    def _adam(self, name: str, gradient: tf.Tensor, rate: tf.Tensor, step: tf.Tensor) -> None:
        weight = self.weights[name]
        if (
            self.weight_decay
            and len(weight.shape) > 1
            and not name.endswith(("embedding", UNMIXED))
        ):
            weight.assign(weight * (1.0 - rate * self.weight_decay))
        # One pass over memory, which is what a large matrix costs, where the operations of these
        # equations make about ten. Its epsilon is added before the square is corrected.
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=self.memory[f"mean/{name}"].handle,
            v=self.memory[f"square/{name}"].handle,
            beta1_power=BETA_MEAN**step,
            beta2_power=BETA_SQUARE**step,
            lr=rate,
            beta1=BETA_MEAN,
            beta2=BETA_SQUARE,
            epsilon=EPSILON,
            grad=gradient,
        )

    def _muon(self, name: str, gradient: tf.Tensor, rate: tf.Tensor) -> None:
        weight, momentum = self.weights[name], self.memory[f"momentum/{name}"]
        momentum.assign(MUON_MOMENTUM * momentum + gradient)
        rows, columns = weight.shape
        change = orthogonalise(gradient + MUON_MOMENTUM * momentum)  # Nesterov's form
        change *= max(1.0, rows / columns) ** 0.5
        weight.assign_sub(rate * (change + self.weight_decay * weight))

    def _muon_natively(self, gradients: dict[str, tf.Tensor], rate: tf.Tensor) -> None:
        from seqgen.models.networks.native.muon import muon_updates

        weights = [self.weights[name] for name in gradients]
        memories = [self.memory[f"momentum/{name}"] for name in gradients]
        new_memories, new_weights = muon_updates(
            list(gradients.values()),
            [memory.read_value() for memory in memories],
            [tf.convert_to_tensor(weight) for weight in weights],
            rate,
            decay=self.weight_decay,
            momentum=MUON_MOMENTUM,
            coefficients=POLAR_STEPS,
        )
        for old, new in zip([*memories, *weights], [*new_memories, *new_weights], strict=True):
            old.assign(new)
