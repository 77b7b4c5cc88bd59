"""One update: batches accumulated, gradients clipped, weights averaged."""

from __future__ import annotations

import dataclasses
import gc
import sys
from typing import Any

import numpy as np
import pytest

from seqgen.config import Architecture, TrainingConfig
from seqgen.models import parameters
from seqgen.training.plan import Wishes, plan_training
from tests.support import make_config, make_weights

pytestmark = pytest.mark.usefixtures("tensorflow")

VOCABULARY, TIME = 11, 12


def recipe(**wishes: Any) -> TrainingConfig:
    given = {"seq_length": TIME, "dropout": 0.0, "learning_rate": 0.02, **wishes}
    return plan_training(
        Wishes(**given), kind="text", tokens=0, precision="float32", steps=20, evaluations=1
    )


def make_trainer(arch: Architecture, **wishes: Any):  # type: ignore[no-untyped-def]
    from seqgen.training.trainer import Trainer

    model = make_config(arch, VOCABULARY, TIME)
    return Trainer(model, recipe(arch=arch, **wishes), make_weights(model))


def make_batch(number: int, rows: int, *, fresh: bool):  # type: ignore[no-untyped-def]
    from seqgen.training.batches import Batch

    ids = np.random.default_rng(number).integers(0, VOCABULARY, (rows, TIME + 1), np.int32)
    return Batch(ids[:, :-1], ids[:, 1:], fresh)


def distance(one: parameters.Weights, other: parameters.Weights) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_batches_accumulated_are_one_large_batch(arch: Architecture) -> None:
    large = make_trainer(arch, batch_size=6)
    small = make_trainer(arch, batch_size=2, accumulate=3)
    other = make_trainer(arch, batch_size=2)
    begin = large.export_weights()
    for step in range(4):
        # The state of a recurrent network is carried for each batch of an update.
        batch = make_batch(step, 6, fresh=arch == "transformer" or step == 0)
        whole, parts = large.update(batch, step), small.update(batch, step)
        other.update(make_batch(step, 2, fresh=batch.fresh), step)
        assert parts.loss_nats == pytest.approx(whole.loss_nats, rel=1e-5)
        assert parts.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-4)
    # Rounding grows where a gradient is near zero: Adam divides by its size.
    moved = distance(large.export_weights(), begin)
    assert distance(large.export_weights(), small.export_weights()) < 1e-3 * moved
    assert distance(large.export_weights(), other.export_weights()) > 0.1 * moved


def test_accumulated_batches_read_what_a_large_one_would_read() -> None:
    from seqgen.tokenization import Tokenizer
    from seqgen.training.data import Data
    from tests.training.test_run import TRAINING, VALIDATION

    tokenizer = Tokenizer.learn("char", (d.text for d in TRAINING.documents))
    data = Data(TRAINING, VALIDATION, tokenizer)
    for arch in ("lstm", "transformer"):
        model = make_config(arch, tokenizer.size)  # type: ignore[arg-type]
        large = data.batches(model, recipe(batch_size=6))
        small = data.batches(model, recipe(batch_size=2, accumulate=3))
        assert small.steps_per_epoch == large.steps_per_epoch
        assert all((small[i].ids == large[i].ids).all() for i in range(30))


def test_accumulated_batches_drop_different_activations() -> None:
    """With the same sequences in both, only the key of the dropout can tell them apart."""
    trainer = make_trainer("transformer", batch_size=2, accumulate=2, dropout=0.5)
    alone = make_trainer("transformer", batch_size=2, dropout=0.5)
    from seqgen.training.batches import Batch

    half = make_batch(0, 2, fresh=True)
    both = Batch(np.tile(half.ids, (2, 1)), np.tile(half.targets, (2, 1)), True)
    assert trainer.update(both, 0).loss_nats != pytest.approx(alone.update(half, 0).loss_nats)
    trainer, again = (
        make_trainer("transformer", batch_size=2, accumulate=2, dropout=0.5) for _ in range(2)
    )
    assert trainer.update(both, 0).loss_nats == again.update(both, 0).loss_nats


def test_one_bad_batch_of_an_update_spoils_it() -> None:
    import tensorflow as tf

    trainer = make_trainer("lstm", batch_size=2, accumulate=2, ema=0.9)
    embedding = trainer.network.weight["embedding"]
    good = embedding.numpy()
    before = trainer.export_memory()
    embedding.assign(tf.tensor_scatter_nd_update(good, [[VOCABULARY - 1, 0]], [np.inf]))
    batch = make_batch(0, 4, fresh=True)
    batch.ids[:] = np.minimum(batch.ids, VOCABULARY - 2)
    batch.ids[3, 5] = VOCABULARY - 1  # the second batch reads what is broken
    # One-hot products spread the infinity to all rows; either way nothing may be applied.
    assert not trainer.update(batch, 0).applied
    embedding.assign(good)
    after = trainer.export_memory()
    assert all((before[name] == after[name]).all() for name in before)


def test_values_are_clipped_one_by_one() -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import clip_by_value

    clipped, norm = clip_by_value([tf.constant([3.0, -0.25]), tf.constant([[-4.0]])], 0.5)
    assert clipped[0].numpy().tolist() == [0.5, -0.25]
    assert clipped[1].numpy().tolist() == [[-0.5]]
    assert float(norm) == pytest.approx((9 + 0.0625 + 16) ** 0.5)


def test_clipping_by_value_is_what_the_optimizer_gets() -> None:
    largest = {}
    for name, wishes in (("value", {"clip_value": 1e-3}), ("norm", {"clip_norm": 1e6})):
        trainer = make_trainer("lstm", batch_size=2, **wishes)
        update = trainer.update(make_batch(0, 2, fresh=True), 0)
        # After the first update Adam's mean is a tenth of the gradient.
        means = [v.numpy() for n, v in trainer.optimizer.memory.items() if n.startswith("mean/")]
        largest[name] = 10 * max(float(np.abs(mean).max()) for mean in means)
        assert update.gradient_norm > 0.01  # told as it was before
    assert largest["value"] == pytest.approx(1e-3)
    assert largest["norm"] > 2e-3


def test_the_average_is_tensorflows() -> None:
    import tensorflow as tf

    from seqgen.training.optimizer import average_weights

    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        updates = tf.compat.v1.placeholder(tf.float32, ())
        weight = tf.compat.v1.get_variable("w", initializer=tf.constant([1.0, 2.0]))
        theirs = tf.train.ExponentialMovingAverage(0.7, num_updates=updates)
        move = theirs.apply([weight])
        session.run(tf.compat.v1.global_variables_initializer())
        expected = []
        for step in range(1, 30):
            weight.load(rng.normal(size=2), session)
            session.run(move, {updates: step})
            expected.append(session.run((weight, theirs.average(weight))))
    mine = {"w": tf.Variable([1.0, 2.0])}
    for step, (weight, average) in enumerate(expected, 1):
        average_weights(mine, {"w": tf.constant(weight)}, 0.7, tf.constant(float(step)))
        assert mine["w"].numpy() == pytest.approx(average, abs=1e-6)


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_the_average_is_judged_and_saved_and_the_weights_learn_on(arch: Architecture) -> None:
    averaging, plain = make_trainer(arch, batch_size=2, ema=0.5), make_trainer(arch, batch_size=2)
    expected = plain.export_weights()
    for step in range(8):
        batch = make_batch(step, 2, fresh=step == 0)
        # TensorFlow fuses other operations where there is an average: rounding may differ.
        loss = plain.update(batch, step).loss_nats
        assert averaging.update(batch, step).loss_nats == pytest.approx(loss, rel=1e-5)
        decay = min(0.5, (2 + step) / (11 + step))
        latest = plain.export_weights()
        expected = {n: decay * w + (1 - decay) * latest[n] for n, w in expected.items()}
    assert distance(averaging.network.export_weights(), latest) < 1e-4
    assert distance(averaging.export_weights(), expected) < 1e-4
    assert distance(expected, latest) > 1e-3

    judge = make_trainer(arch, batch_size=2)
    judge.network.import_weights(averaging.export_weights())
    batch = make_batch(9, 2, fresh=True)
    counted = np.ones(batch.ids.shape, np.float32)
    score = averaging.loss_sum(batch.ids, batch.targets, counted)
    assert score == judge.loss_sum(batch.ids, batch.targets, counted)
    assert score != plain.loss_sum(batch.ids, batch.targets, counted)


def test_memory_without_the_average_is_refused() -> None:
    memory = make_trainer("lstm", batch_size=2).export_memory()
    with pytest.raises(KeyError):
        make_trainer("lstm", batch_size=2, ema=0.5).import_memory(memory)


def test_a_recipe_from_before_these_options_is_read_as_it_was_meant() -> None:
    from seqgen.config import from_json, to_json

    values = to_json(recipe(batch_size=2))
    for name in ("clip_value", "ema", "accumulate"):
        del values[name]
    config = from_json(TrainingConfig, values)
    assert config == recipe(batch_size=2)
    assert dataclasses.asdict(config)["accumulate"] == 1


def test_an_update_leaves_nothing_behind() -> None:
    """TensorFlow keeps a tensor for every Python number that it is given, each of a few blocks."""
    trainer = make_trainer("rnn", batch_size=2)
    batch, updates, held = make_batch(0, 2, fresh=False), 200, []
    for turn in range(3):  # the first makes what serves all others
        for step in range(turn * updates, (turn + 1) * updates):
            trainer.update(batch, step)
        gc.collect()
        held.append(sys.getallocatedblocks())
    assert held[2] - held[1] < updates / 2
