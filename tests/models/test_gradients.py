"""The hand-written backpropagation through time is that of keras.layers.LSTM."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.config import ModelConfig
from tests.support import make_weights

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("hidden", "batch", "time"), [(8, 3, 12), (5, 1, 30), (16, 4, 1)])
def test_gradients_equal_those_of_keras(layers: int, hidden: int, batch: int, time: int) -> None:
    import keras
    import tensorflow as tf

    from seqgen.models import networks

    config = ModelConfig("lstm", 20, layers, hidden, 6, 0, 32)
    weights = make_weights(config, spread=0.1)
    network = networks.build(config)
    network.import_weights(weights)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 20, (batch, time))
    pull = tf.constant(rng.normal(size=(batch, time, 20)), tf.float32)  # any loss will do

    with tf.GradientTape() as tape:
        logits, _ = network(tf.constant(ids, tf.int32))
        loss = tf.reduce_mean(logits * pull)
    ours = tape.gradient(loss, [variable.value for variable in network.weight.values()])
    gradients = {
        name: tf.convert_to_tensor(gradient).numpy()
        for name, gradient in zip(network.weight, ours, strict=True)
    }

    # Keras orders the gates input, forget, cell, output.
    i, f, o, g = (np.arange(hidden) + k * hidden for k in range(4))
    order = np.concatenate([i, f, g, o])
    embedding = tf.Variable(weights["embedding"])
    output = tf.Variable(weights["output.kernel"])
    stack = []
    for layer in range(layers):
        lstm = keras.layers.LSTM(hidden, return_sequences=True)
        lstm.build((batch, time, 6 if layer == 0 else hidden))
        lstm.set_weights(
            [
                weights[f"lstm.{layer}.{name}"][..., order]
                for name in ("input_kernel", "recurrent_kernel", "bias")
            ]
        )
        stack.append(lstm)
    with tf.GradientTape() as tape:
        x = tf.gather(embedding, ids)
        for lstm in stack:
            x = lstm(x)
        loss = tf.reduce_mean((x @ output + weights["output.bias"]) * pull)
    variables = [embedding, output, *(v.value for lstm in stack for v in lstm.trainable_variables)]
    theirs = [tf.convert_to_tensor(q).numpy() for q in tape.gradient(loss, variables)]

    assert np.abs(gradients["embedding"] - theirs[0]).max() < 1e-5
    assert np.abs(gradients["output.kernel"] - theirs[1]).max() < 1e-5
    rest = iter(theirs[2:])
    for layer in range(layers):
        for name in ("input_kernel", "recurrent_kernel", "bias"):
            expected = next(rest)
            assert np.abs(gradients[f"lstm.{layer}.{name}"][..., order] - expected).max() < 1e-5
            # One step has nothing to recur to.
            assert np.abs(expected).max() > 0 or (time == 1 and name == "recurrent_kernel")


def test_no_gradient_flows_over_a_boundary() -> None:
    """What stands before a document must not learn from it."""
    import tensorflow as tf

    from seqgen.models import networks

    for config in (
        ModelConfig("lstm", 9, 2, 8, 8, 0, 16),
        ModelConfig("transformer", 9, 2, 8, 8, 2, 16),
    ):
        network = networks.build(config)
        network.import_weights(make_weights(config))
        # Tokens 1 to 4 stand before the boundary, 5 to 8 after it.
        ids = tf.constant([[1, 2, 3, 4, 0, 5, 6, 7, 8]], tf.int32)
        embedding = network.weight["embedding"].value
        with tf.GradientTape() as tape:
            logits, _ = network(ids)
            loss = tf.reduce_sum(tf.sin(logits[:, 5:]))
        gradient = tf.convert_to_tensor(tape.gradient(loss, embedding)).numpy()
        assert np.abs(gradient[1:5]).max() == 0.0
        assert np.abs(gradient[5:]).max() > 0.0
