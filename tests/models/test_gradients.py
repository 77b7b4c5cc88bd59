"""Gradients written by hand: through time they are those of Keras's recurrent layers, and elsewhere
those of automatic differentiation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from seqgen.config import Architecture, ModelConfig
from seqgen.models.parameters import STATES, Weights
from tests.support import ARCHITECTURES, make_config, make_weights

pytestmark = pytest.mark.usefixtures("tensorflow")


def build(config: ModelConfig, *, native: bool, precision: str = "float32") -> Any:
    """A network that computes by code of our own if native, or the test is skipped."""
    from seqgen.models import networks

    network = networks.build(config, precision=precision, native=native)  # type: ignore[arg-type]
    if native and not network.native:
        pytest.skip("this processor lacks the instructions")
    return network


def keras_form(arch: Architecture, weights: Weights, layer: int) -> list[np.ndarray]:
    """A layer's weights, or their gradients, as Keras lays them out."""
    kernel, recurrent_kernel, bias = (
        weights[f"{arch}.{layer}.{name}"] for name in ("input_kernel", "recurrent_kernel", "bias")
    )
    if arch == "gru":
        bias = np.stack([bias, weights[f"{arch}.{layer}.recurrent_bias"]])
    if arch == "lstm":  # Keras orders the gates input, forget, cell, output
        i, f, o, g = np.split(np.arange(bias.size), 4)
        order = np.concatenate([i, f, g, o])
        return [w[..., order] for w in (kernel, recurrent_kernel, bias)]
    return [kernel, recurrent_kernel, bias]


@pytest.mark.parametrize("arch", STATES)
@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("hidden", "batch", "time", "native"),
    [
        (8, 3, 12, False),
        (5, 1, 30, False),
        (16, 4, 1, False),
        (32, 3, 12, True),
        (96, 15, 5, True),
        (64, 1, 1, True),
    ],
)
def test_logits_and_gradients_equal_those_of_keras(
    arch: Architecture, carried: bool, layers: int, hidden: int, batch: int, time: int, native: bool
) -> None:
    import keras
    import tensorflow as tf

    config = ModelConfig(arch, 20, layers, hidden, 6, 0, 32)
    weights = make_weights(config, spread=0.1)
    network = build(config, native=native)
    network.import_weights(weights)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 20, (batch, time))
    pull = tf.constant(rng.normal(size=(batch, time, 20)), tf.float32)  # any loss will do
    state = np.zeros((layers, STATES[arch], batch, hidden), np.float32)
    if carried:
        state = rng.uniform(-1, 1, state.shape).astype(np.float32)

    with tf.GradientTape() as tape:
        logits, after = network(tf.constant(ids, tf.int32), tf.constant(state))
        loss = tf.reduce_mean(tf.reduce_sum(logits * pull, -1))
    ours = tape.gradient(loss, [variable.value for variable in network.weight.values()])
    gradients = {
        name: tf.convert_to_tensor(gradient).numpy()
        for name, gradient in zip(network.weight, ours, strict=True)
    }

    kinds = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    embedding = tf.Variable(weights["embedding"])
    output = tf.Variable(weights["output.kernel"])
    stack: list[Any] = []
    for layer in range(layers):
        stack.append(kinds[arch](hidden, return_sequences=True, return_state=True))
        stack[-1].build((batch, time, 6 if layer == 0 else hidden))
        stack[-1].set_weights(keras_form(arch, weights, layer))
    last = []
    with tf.GradientTape() as tape:
        x = tf.gather(embedding, ids)
        for layer, initial in zip(stack, state, strict=True):
            x, *end = layer(x, initial_state=list(initial) if carried else None)
            last.append(end)
        expected = x @ output + weights["output.bias"]
        loss = tf.reduce_mean(tf.reduce_sum(expected * pull, -1))
    variables = [embedding, output, *(v.value for k in stack for v in k.trainable_variables)]
    theirs = [tf.convert_to_tensor(q).numpy() for q in tape.gradient(loss, variables)]

    assert np.abs(logits - expected).max() < 1e-5
    assert np.abs(after - np.array(last)).max() < 1e-5
    assert np.abs(gradients["embedding"] - theirs[0]).max() < 1e-5
    assert np.abs(gradients["output.kernel"] - theirs[1]).max() < 1e-5
    for layer in range(layers):
        got = keras_form(arch, gradients, layer)
        wanted = theirs[2 + 3 * layer : 5 + 3 * layer]
        assert all(np.abs(g - w).max() < 1e-5 for g, w in zip(got, wanted, strict=True))
        # One step from nothing has nothing to recur to.
        assert all(np.abs(w).max() > 1e-3 for w in wanted) or (time == 1 and not carried)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("native", [False, True])
def test_in_bfloat16_gradients_are_about_the_same(arch: Architecture, native: bool) -> None:
    """Products are rounded to 8 bits; states and sums are not."""
    import tensorflow as tf

    if arch == "transformer":
        config = ModelConfig(arch, 20, 2, 96, 96, 1, 40, convolution=2)
    else:
        config = ModelConfig(arch, 20, 2, 32, 16, 0, 32)
    weights = make_weights(config, spread=0.05)
    # Of an odd number of rows, which are multiplied in pairs, and the last of them alone.
    ids = tf.constant(np.random.default_rng(0).integers(0, 20, (5, 33)), tf.int32)
    found: dict[str, list[np.ndarray]] = {}
    for precision in ("float32", "bfloat16"):
        network = build(config, precision=precision, native=native)
        network.import_weights(weights)
        with tf.GradientTape() as tape:
            logits, state = network(ids)
            assert logits.dtype == state.dtype == tf.float32
            loss = tf.reduce_sum(tf.sin(logits))
        gradients = tape.gradient(loss, [variable.value for variable in network.weight.values()])
        found[precision] = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    for exact, rounded in zip(*found.values(), strict=True):
        assert 0 < np.linalg.norm(rounded - exact) < 0.05 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("arch", "native"), [(arch, native) for arch in ARCHITECTURES for native in (False, True)]
)
def test_no_gradient_flows_over_a_boundary(arch: Architecture, native: bool) -> None:
    """What stands before a document must not learn from it."""
    import tensorflow as tf

    config = dataclasses.replace(make_config(arch, 9), layers=2)
    if native:
        config = dataclasses.replace(config, hidden=64, embedding=64)
    network = build(config, native=native)
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


@pytest.mark.parametrize("time", [1, 2, 7, 12])
def test_a_transformers_parts_and_their_gradients_are_those_of_their_equations(time: int) -> None:
    import tensorflow as tf

    from seqgen.models.networks import transformer as ours

    rng = np.random.default_rng(time)
    shape = (2, 3, time, 4)
    q, k, v, pull = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(4))
    later = np.triu(np.ones((time, time)), 1)
    # In the second sequence a document begins in the middle.
    begin = np.arange(time) >= time // 2
    other = np.stack([np.zeros((time, time)), begin[:, None] & ~begin[None]])
    mask = tf.constant(np.where(later + other, -1e9, 0.0)[:, None], tf.float32)
    half = rng.normal(size=(2, time, 2))
    cos, sin = (tf.constant(part, tf.float32) for part in half)

    def attend(q: Any, k: Any, v: Any) -> Any:
        return tf.nn.softmax(q @ tf.linalg.matrix_transpose(k) / 2.0 + mask) @ v

    def turn(x: Any) -> Any:
        a, b = x[..., :2], x[..., 2:]
        return tf.concat([a * cos - b * sin, a * sin + b * cos], -1)

    cosines, sines = tf.concat([cos, cos], -1), tf.concat([-sin, sin], -1)
    pairs = [
        (attend, lambda q, k, v: ours.attend_causally(q, k, v, mask), [q, k, v]),
        (turn, lambda x: ours.rotate(x, cosines, sines), [q]),
        (lambda x: x / tf.sqrt(tf.reduce_mean(x * x, -1, True) + 1e-6), ours.rms_norm, [q]),
        (lambda x: tf.maximum(x, 0.0) ** 2, ours.squared_relu, [q]),
    ]

    def check(equation: Any, function: Any, arguments: list[Any]) -> None:
        def differentiate(call: Any) -> list[Any]:
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                value = call(*arguments)
            return [value, *tape.gradient(value, arguments, output_gradients=pull)]

        expected = differentiate(equation)
        graph = tf.function(lambda: differentiate(function), autograph=False)
        # As a graph too: TensorFlow's optimizer makes other operations of it.
        for got in (differentiate(function), graph()):
            assert all(np.abs(e - g).max() < 1e-5 for e, g in zip(expected, got, strict=True))
        assert min(float(np.abs(e).max()) for e in expected) > 1e-2 or time == 1

    for equation, function, arguments in pairs:
        check(equation, function, arguments)


@pytest.mark.parametrize("taps", [2, 4])
def test_convolutions_stay_within_their_document(taps: int) -> None:
    import tensorflow as tf

    from seqgen.models.networks.transformer import convolve, neighbours

    rng = np.random.default_rng(taps)
    document = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 2, 2], [1, 1, 1, 1, 1, 2]])
    batch, time = document.shape
    arrays = [rng.normal(size=size) for size in ((batch * time, 5), (taps, 5), (batch * time, 5))]
    x, kernel, pull = (tf.constant(array, tf.float32) for array in arrays)
    # y[t] = sum of kernel[lag] x[t - lag], as a matrix a lag: 1 where a position meets another.
    lags = np.zeros((taps, batch, time, batch, time), np.float32)
    for lag, window, place in np.ndindex(taps, batch, time):
        if lag <= place and document[window, place - lag] == document[window, place]:
            lags[lag, window, place, window, place - lag] = 1.0
    meets = tf.constant(lags.reshape(taps, batch * time, batch * time))

    def equation(x: Any, kernel: Any) -> Any:
        return tf.reduce_sum(tf.matmul(meets, x[None]) * kernel[:, None], 0)

    @tf.function(autograph=False)
    def ours(x: Any, kernel: Any) -> Any:
        return convolve(x, kernel, *neighbours(tf.constant(document, tf.int32), taps - 1))

    def differentiate(call: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = call(x, kernel)
        return [y, *tape.gradient(y, [x, kernel], output_gradients=pull)]

    for expected, got in zip(differentiate(equation), differentiate(ours), strict=True):
        assert np.abs(expected - got).max() < 1e-5
        assert np.abs(expected).max() > 1e-2


def test_a_compiled_transformer_computes_what_it_does_step_by_step() -> None:
    import tensorflow as tf

    from seqgen.models import networks

    config = ModelConfig("transformer", 20, 2, 16, 16, 2, 12)
    network = networks.build(config)
    network.import_weights(make_weights(config))
    ids = tf.constant(np.random.default_rng(0).integers(0, 20, (3, 12)), tf.int32)
    compiled = tf.function(lambda ids: network(ids)[0])
    assert np.abs(compiled(ids) - network(ids)[0]).max() < 1e-4


@pytest.mark.parametrize(
    ("convolution", "heads", "hidden", "batch", "time", "dropout"),
    [
        (0, 1, 32, 3, 12, 0.0),
        (2, 2, 64, 5, 70, 0.0),
        (4, 2, 128, 2, 33, 0.3),
        (3, 1, 32, 1, 1, 0.3),
    ],
)
def test_a_native_transformer_learns_what_the_plain_one_learns(
    convolution: int, heads: int, hidden: int, batch: int, time: int, dropout: float
) -> None:
    import tensorflow as tf

    from seqgen.models import networks

    config = ModelConfig("transformer", 20, 2, hidden, hidden, heads, 70, convolution=convolution)
    weights = make_weights(config, spread=0.1)
    rng = np.random.default_rng(0)
    ids = tf.constant(rng.integers(0, 20, (batch, time)), tf.int32)
    pull = tf.constant(rng.normal(size=(batch, time, 20)), tf.float32)
    key = tf.constant([3, 4], tf.int32)
    found = []
    build(config, native=True)  # or the test is skipped
    for native in (False, True):
        network = networks.build(config, native=native, dropout=dropout)
        network.import_weights(weights)
        with tf.GradientTape() as tape:
            logits, _ = network(ids, None, key)
            loss = tf.reduce_mean(tf.reduce_sum(logits * pull, -1))
        gradients = tape.gradient(loss, [variable.value for variable in network.weight.values()])
        found.append([tf.convert_to_tensor(each).numpy() for each in (logits, *gradients)])
    for plain, own in zip(*found, strict=True):
        assert np.abs(plain - own).max() < 1e-5
    assert sum(np.abs(plain).max() > 1e-3 for plain in found[0]) > len(weights) / 2
