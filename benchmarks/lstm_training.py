"""Training speed of an LSTM, beside Keras's and PyTorch's own layers, measured in one run.

    python benchmarks/lstm_training.py [--rounds 5] [--seconds 5] [--shapes 8,100,1024 ...]

A shape is batch, window, hidden; the embedding is 256 wide and Adam is the optimizer. seqgen makes
the updates that `seqgen train` makes: with clipping, a carried state and a check that all numbers
are finite, which the others are spared. They learn from one batch that lies ready:
`keras.layers.LSTM` in a compiled step, with and without XLA, and `torch.nn.LSTM` in float32 and
under bfloat16 autocast. PyTorch is left out where it is not installed.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
from contest import (
    Maker,
    Step,
    Target,
    is_installed,
    print_rates,
    random_tokens,
    rates_of,
    seqgen_step,
)
from peers import torch_lstm

VOCABULARY = 83  # characters of the MIT lab's tunes
EMBEDDING = 256
RATE = 1e-3
# At least so many times as fast as Keras and as PyTorch, by (batch, window, hidden).
TARGETS = {(8, 100, 1024): (3.7, 1.7), (32, 100, 1024): (3.7, 1.4), (64, 100, 512): (3.0, 1.2)}
KERAS = ("keras.layers.LSTM", "keras.layers.LSTM, XLA")
TORCH = ("torch.nn.LSTM, float32", "torch.nn.LSTM, bfloat16")


def keras_step(batch: int, window: int, hidden: int, *, xla: bool) -> Step:
    """``keras.layers.LSTM`` on TensorFlow, in a compiled step: faster than ``fit``."""
    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    import keras
    import tensorflow as tf

    network = keras.Sequential(
        [
            keras.layers.Embedding(VOCABULARY, EMBEDDING),
            keras.layers.LSTM(hidden, return_sequences=True),
            keras.layers.Dense(VOCABULARY),
        ]
    )
    network.build((batch, window))
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(network.trainable_variables)
    tokens = random_tokens(VOCABULARY, (batch, window + 1))
    ids, targets = tf.constant(tokens[:, :-1]), tf.constant(tokens[:, 1:])

    def learn() -> Any:
        with tf.GradientTape() as tape:
            logits = network(ids, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    update = tf.function(learn, jit_compile=xla)

    def step() -> int:
        float(update())
        return batch * window

    return step


def torch_step(batch: int, window: int, hidden: int, *, bfloat16: bool) -> Step:
    """``torch.nn.LSTM`` in float32 or under bfloat16 autocast."""
    import torch

    network = torch_lstm(VOCABULARY, EMBEDDING, hidden)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    tokens = torch.from_numpy(random_tokens(VOCABULARY, (batch, window + 1)).astype(np.int64))
    ids, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].reshape(-1)

    def step() -> int:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits, _ = network(ids)
            loss: Any = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), targets)
        loss.backward()
        optimizer.step()
        loss.item()
        return batch * window

    return step


def shape(text: str) -> tuple[int, int, int]:
    """Three numbers, with commas between."""
    batch, window, hidden = map(int, text.split(","))
    return batch, window, hidden


def main() -> None:
    """Print a table a shape."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn, at least")
    parser.add_argument("--shapes", type=shape, nargs="+", default=list(TARGETS))
    options = parser.parse_args()
    with_torch = is_installed("torch")
    if not with_torch:
        print("PyTorch is not installed, so it is left out: pip install torch")
    for batch, window, hidden in options.shapes:
        makers: dict[str, Maker] = {
            "seqgen": partial(
                seqgen_step,
                "lstm",
                vocabulary=VOCABULARY,
                layers=1,
                hidden=hidden,
                embedding=EMBEDDING,
                batch=batch,
                window=window,
            )
        }
        for name, xla in zip(KERAS, (False, True), strict=True):
            makers[name] = partial(keras_step, batch, window, hidden, xla=xla)
        if with_torch:
            for name, bfloat16 in zip(TORCH, (False, True), strict=True):
                makers[name] = partial(torch_step, batch, window, hidden, bfloat16=bfloat16)
        rates = rates_of(makers, rounds=options.rounds, seconds=options.seconds)
        targets = []
        if (batch, window, hidden) in TARGETS:
            keras_least, torch_least = TARGETS[batch, window, hidden]
            targets = [Target("Keras", KERAS, keras_least), Target("PyTorch", TORCH, torch_least)]
        print_rates(f"batch {batch}, window {window}, hidden {hidden}", rates, targets)


if __name__ == "__main__":
    main()
