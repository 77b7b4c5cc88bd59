from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_adamw_is_keras_adamw() -> None:
    import keras
    import tensorflow as tf

    from seqgen.training import optimizer

    rng = np.random.default_rng(0)
    start = rng.normal(size=(7, 5)).astype(np.float32)
    ours, theirs = tf.Variable(start), keras.Variable(start)
    mine = optimizer.Optimizer({"output.kernel": ours}, "lstm", weight_decay=0.1)
    keras_adamw = keras.optimizers.AdamW(
        0.01,
        weight_decay=0.1,
        beta_1=optimizer.BETA_MEAN,
        beta_2=optimizer.BETA_SQUARE,
        epsilon=optimizer.EPSILON,
    )
    for step in range(20):
        gradient = tf.constant(rng.normal(size=(7, 5)), tf.float32)
        mine.apply({"output.kernel": gradient}, tf.constant(0.01), tf.constant(step + 1.0))
        keras_adamw.apply([gradient], [theirs])
    assert np.abs(ours.numpy() - theirs.value.numpy()).max() < 1e-5
    assert np.abs(ours.numpy() - start).max() > 0.05


def test_biases_and_embeddings_do_not_decay() -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import Optimizer

    weights = {
        name: tf.Variable(tf.ones(shape))
        for name, shape in (("embedding", (3, 2)), ("output.bias", (4,)), ("output.kernel", (2, 3)))
    }
    mine = Optimizer(weights, "lstm", weight_decay=0.5)
    zero = {name: tf.zeros_like(weight) for name, weight in weights.items()}
    mine.apply(zero, tf.constant(0.1), tf.constant(1.0))
    assert (weights["embedding"].numpy() == 1).all()
    assert (weights["output.bias"].numpy() == 1).all()
    assert weights["output.kernel"].numpy() == pytest.approx(0.95)


@pytest.mark.parametrize("shape", [(6, 6), (4, 12), (12, 4)])
def test_orthogonalise_keeps_directions_and_evens_their_lengths(shape: tuple[int, int]) -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import orthogonalise

    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    assert singular.max() / singular.min() > 2
    got = orthogonalise(tf.constant(matrix)).numpy()
    # In the basis of the singular vectors it stays diagonal, and the diagonal is near 1.
    diagonal = left.T @ got @ right.T
    assert np.abs(diagonal - np.diag(np.diag(diagonal))).max() < 0.02
    assert np.diag(diagonal).min() > 0.5
    assert np.diag(diagonal).max() < 1.3


@pytest.mark.parametrize("shape", [(6, 6), (8, 32), (96, 24)])
def test_orthogonalise_is_three_polar_steps(shape: tuple[int, int]) -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import POLAR_STEPS, orthogonalise

    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=shape) @ np.diag(0.1 ** np.linspace(0, 4, shape[1]))).astype("f")
    singular = np.linalg.svd(matrix.astype(float), compute_uv=False)
    x = matrix.astype(float) / (singular**8).sum() ** (1 / 8)
    for a, b, c in POLAR_STEPS:
        x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
    # The smallest directions are lost in float32's rounding, and then grow 80 times.
    assert np.abs(orthogonalise(tf.constant(matrix)).numpy() - x).max() < 1e-4
    assert np.abs(x).max() > 0.2


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e6])
@pytest.mark.parametrize("spread", [0.011, 0.3, 1.0])
def test_singular_values_of_any_spread_come_near_one(spread: float, scale: float) -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import orthogonalise

    left, _, right = np.linalg.svd(np.random.default_rng(0).normal(size=(24, 96)))
    singular = np.geomspace(1.0, spread, 24)
    matrix = scale * (left * singular) @ right[:24]
    got = orthogonalise(tf.constant(matrix, tf.float32)).numpy()
    found = np.linalg.svd(got, compute_uv=False)
    assert found.min() > 0.5  # where the largest is overrated, the smallest starts lower
    assert found.max() < 1.28


def test_a_matrix_of_zeros_stays_so() -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import orthogonalise

    assert not orthogonalise(tf.zeros((24, 96))).numpy().any()


def test_muon_moves_a_transformers_blocks_and_adam_the_rest() -> None:
    import tensorflow as tf

    from seqgen.config import ModelConfig
    from seqgen.models.parameters import shapes
    from seqgen.training.optimizer import Optimizer

    config = ModelConfig("transformer", 9, 2, 8, 8, 2, 16)
    weights = {name: tf.Variable(tf.zeros(shape)) for name, shape in shapes(config).items()}
    mine = Optimizer(weights, "transformer", 0.0)
    assert {name.split("/")[0] for name in mine.memory if "block" in name} == {"momentum"}
    assert {name.split("/")[0] for name in mine.memory if "block" not in name} == {"mean", "square"}


@pytest.mark.parametrize(("limit", "scale"), [(1.0, 0.2), (5.0, 1.0), (100.0, 1.0)])
def test_clipping_scales_all_gradients_together(limit: float, scale: float) -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import clip_by_global_norm

    clipped, norm = clip_by_global_norm([tf.constant([3.0]), tf.constant([[4.0]])], limit)
    assert float(norm) == pytest.approx(5.0)
    assert float(clipped[0][0]) == pytest.approx(3.0 * scale)
    assert float(clipped[1][0, 0]) == pytest.approx(4.0 * scale)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e18])
def test_muon_in_code_of_our_own_makes_the_same_updates(scale: float) -> None:
    import tensorflow as tf

    from seqgen.config import ModelConfig
    from seqgen.models.networks.native import can_run
    from seqgen.training.optimizer import Optimizer

    if not can_run(ModelConfig("lstm", 20, 1, 32, 8, 0, 32), "float32"):
        pytest.skip("this processor lacks the instructions")
    rng = np.random.default_rng(0)
    shapes = {"block.0.wide": (32, 96), "block.0.tall": (128, 32), "block.1.square": (64, 64)}
    shapes |= {"block.1.even": (64, 64), "embedding": (20, 32)}
    begin = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    found = []
    for native in (False, True):
        weights = {name: tf.Variable(w, dtype=tf.float32) for name, w in begin.items()}
        optimizer = Optimizer(weights, "transformer", 0.1, native=native)
        draw = np.random.default_rng(1)
        for step in range(4):  # the first has gradients of zero, as half of the matrices do
            gradients = {
                name: tf.constant(min(step, 1) * scale * draw.normal(size=shape), tf.float32)
                for name, shape in shapes.items()
            }
            optimizer.apply(gradients, tf.constant(0.02), tf.constant(float(step + 1)))
        memory = [optimizer.memory[f"momentum/{name}"] / scale for name in sorted(optimizer.muon)]
        found.append([*weights.values(), *memory])
    for plain, own in zip(*found, strict=True):
        assert np.abs(plain.numpy() - own.numpy()).max() < 2e-5
    for name, weight in zip(shapes, found[1], strict=False):
        assert np.abs(weight.numpy() - begin[name]).max() > 1e-3
