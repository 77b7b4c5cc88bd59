"""Training's Keras networks and sampling's NumPy decoders compute the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from seqgen.config import Architecture, ModelConfig
from seqgen.models import decoders, parameters
from tests.support import ARCHITECTURES, make_weights

pytestmark = pytest.mark.usefixtures("tensorflow")


def random_config(arch: Architecture, rng: np.random.Generator) -> ModelConfig:
    vocabulary = int(rng.integers(2, 60))
    layers = int(rng.integers(1, 4))
    if arch != "transformer":
        hidden, embedding = int(rng.integers(1, 40)), int(rng.integers(1, 40))
        return ModelConfig(arch, vocabulary, layers, hidden, embedding, 0, 24)
    heads = int(rng.integers(1, 5))
    hidden = 2 * heads * int(rng.integers(1, 8))
    cap = float(rng.uniform(0.5, 20)) if rng.random() < 0.5 else None
    tied = bool(rng.random() < 0.5)
    taps = int(rng.choice([0, 2, 3, 4]))
    return ModelConfig(
        "transformer", vocabulary, layers, hidden, hidden, heads, 24, tied, cap, taps
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(50))
def test_logits_agree(arch: Architecture, seed: int) -> None:
    import tensorflow as tf

    from seqgen.models import networks

    rng = np.random.default_rng(seed)
    config = random_config(arch, rng)
    weights = make_weights(config, seed, spread=0.1)
    batch, time = int(rng.integers(1, 5)), int(rng.integers(1, config.context + 1))
    # Id 0 is the boundary: documents begin at the start, and in the middle.
    ids = rng.integers(0, config.vocabulary, (batch, time)).astype(np.int32)

    network = networks.build(config)
    network.import_weights(weights)
    expected, _ = network(tf.constant(ids))

    decoder = decoders.build(config, weights)
    state = decoder.start(batch)
    logits = []
    for column in ids.T:
        step, state = decoder.step(column, state)
        logits.append(step)
    assert np.abs(np.stack(logits, axis=1) - expected.numpy()).max() < 1e-4

    prefilled, _ = decoder.prefill(ids, decoder.start(batch))
    assert np.abs(prefilled - expected.numpy()[:, -1]).max() < 1e-4


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(5))
def test_greedy_output_is_identical(arch: Architecture, seed: int) -> None:
    import tensorflow as tf

    from seqgen.models import networks

    config = random_config(arch, np.random.default_rng(1000 + seed))
    weights = make_weights(config, seed, spread=0.6)
    network = networks.build(config)
    network.import_weights(weights)

    slow = [0]
    for _ in range(config.context - 1):
        logits, _ = network(tf.constant([slow], tf.int32))
        slow.append(1 + int(logits.numpy()[0, -1, 1:].argmax()))  # the boundary would forget

    decoder = decoders.build(config, weights)
    fast, state = [0], decoder.start(1)
    for _ in range(config.context - 1):
        step, state = decoder.step(np.array(fast[-1:], np.int32), state)
        fast.append(1 + int(step[0, 1:].argmax()))
    assert fast == slow
    assert len(set(fast)) > 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_carried_state_reads_on(arch: Architecture) -> None:
    """Two windows with the state carried over are one; a fresh state is not, where there is one."""
    import tensorflow as tf

    from seqgen.models import networks

    config = random_config(arch, np.random.default_rng(3))
    network = networks.build(config)
    network.import_weights(make_weights(config))
    ids = tf.constant(np.random.default_rng(4).integers(1, config.vocabulary, (2, 20)), tf.int32)
    whole, _ = network(ids)
    _, state = network(ids[:, :10])
    rest, _ = network(ids[:, 10:], state)
    afresh, _ = network(ids[:, 10:])
    if config.recurrent:
        assert np.abs(rest - whole[:, 10:]).max() < 1e-5
        assert np.abs(afresh - whole[:, 10:]).max() > 1e-3
    else:
        assert np.abs(rest - afresh).max() == 0.0


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_boundary_hides_what_came_before(arch: Architecture) -> None:
    config = random_config(arch, np.random.default_rng(5))
    decoder = decoders.build(config, make_weights(config))
    rng = np.random.default_rng(6)
    document = np.concatenate([[0], rng.integers(1, config.vocabulary, 7)]).astype(np.int32)
    alone, _ = decoder.prefill(document[None], decoder.start(1))
    state = decoder.start(1)
    for _ in range(5):
        before = rng.integers(1, config.vocabulary, (1, 6)).astype(np.int32)
        _, state = decoder.prefill(before, state)
    after, _ = decoder.prefill(document[None], state)
    assert np.abs(after - alone).max() < 1e-4


def test_past_its_window_a_transformer_sees_the_last_tokens_only() -> None:
    config = ModelConfig("transformer", 20, 1, 16, 16, 2, 8)
    decoder = decoders.build(config, make_weights(config))
    ids = np.random.default_rng(7).integers(1, 20, (1, 30)).astype(np.int32)
    long, _ = decoder.prefill(ids, decoder.start(1))
    # With one block, what lies outside the window can't reach the output.
    window, _ = decoder.prefill(ids[:, -8:], decoder.start(1))
    assert np.abs(long - window).max() < 1e-4
    shorter, _ = decoder.prefill(ids[:, -7:], decoder.start(1))
    assert np.abs(long - shorter).max() > 1e-3


@pytest.mark.parametrize("tied", [False, True])
def test_tied_embeddings_are_the_output_and_a_cap_bounds_it(tied: bool) -> None:
    plain = ModelConfig("transformer", 30, 1, 16, 16, 2, 8, tie_embeddings=tied)
    capped = dataclasses.replace(plain, logit_softcap=0.7)
    assert ("output.kernel" in parameters.shapes(plain)) != tied
    weights = make_weights(plain)
    ids = np.arange(5, dtype=np.int32)[None]
    logits, cut = (
        decoder.prefill(ids, decoder.start(1))[0]
        for decoder in (decoders.build(config, weights) for config in (plain, capped))
    )
    assert np.abs(logits).max() > 1.0
    assert cut == pytest.approx(0.7 * np.tanh(logits / 0.7), abs=1e-6)
    # Either way the first prediction is nearly even.
    decoder = decoders.build(plain, parameters.initialise(plain, 0))
    assert np.abs(decoder.prefill(ids, decoder.start(1))[0]).max() < 2.0


def test_every_architecture_has_all_three_forms() -> None:
    for arch in ARCHITECTURES:
        config = random_config(arch, np.random.default_rng(0))
        weights = parameters.initialise(config, 0)
        assert {name: w.shape for name, w in weights.items()} == parameters.shapes(config)
        assert all(w.dtype == np.float32 for w in weights.values())
        assert sum(w.size for w in weights.values()) == parameters.count(config)


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_dropout_drops_its_share_and_scales_up_the_rest(dropout: float) -> None:
    import tensorflow as tf

    from seqgen.models import networks

    network = networks.build(random_config("rnn", np.random.default_rng(0)), dropout=dropout)
    x, key = tf.ones((101, 201)), tf.constant([1, 2])
    y = network.drop(x, key, 0).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - dropout))}
    assert np.mean(y == 0) == pytest.approx(dropout, abs=0.01)
    # Neighbours are dropped independently, and so are other places and other steps.
    dropped = y == 0
    assert np.mean(dropped[:, 1:] & dropped[:, :-1]) == pytest.approx(dropout**2, abs=0.01)
    for other in (network.drop(x, key, 1), network.drop(x, tf.constant([1, 3]), 0)):
        assert np.mean(dropped & (other.numpy() == 0)) == pytest.approx(dropout**2, abs=0.01)
    assert (network.drop(x, key, 0).numpy() == y).all()
    assert network.drop(x, None, 0) is x
