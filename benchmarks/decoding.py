"""Decoding speed, beside NumPy's bare products and what peers draw with, measured in one run.

    python benchmarks/decoding.py [--nanogpt FOLDER] [--lstm MODEL] [-m MODEL] [--rounds 5]

An LSTM of hidden 1024 and embedding 256 is drawn from alone and 64 at once, beside the
matrix-vector products that its step can't do without, and the loops of the MIT lab (6.S191, lab 1)
in Keras and PyTorch; 64 also by as many processes as there are cores, as `seqgen sample -n 64`
draws them, with the processes already started and gone over to compiled code, as they do after
10,000 tokens each: to start one takes 0.3 s, and to load that code half a second, which only a
first call waits for. A Transformer of 4 blocks of 192 with a window of 256 is drawn from beside
nanoGPT's ``generate`` for the same shape. What seqgen does is what `seqgen sample` does, text and
filters included. Weights are random, and the logits as wide as a trained network's; or the LSTM is
a trained one (--lstm), in which errors fade sooner, so that less is read again in float64. Peers
that are not installed are left out.

With a model of tunes the last table has the time a tune: as the only one, with all that the grammar
remembers still unknown, and as one of a thousand, drawn by one process and by one for each core,
their start included.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from contest import Maker, Step, Target, is_installed, print_rates, random_tokens, rates_of
from peers import nanogpt, torch_lstm

from seqgen import checkpoint
from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import DEFAULT_SAMPLING, ModelConfig, SamplingConfig
from seqgen.models import decoders
from seqgen.models.parameters import initialise
from seqgen.sampling.crew import usable_cores
from seqgen.sampling.penalties import END
from seqgen.sampling.sampler import Sampler
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

VOCABULARY = 83  # characters of the MIT lab's tunes
HIDDEN, EMBEDDING = 1024, 256
BLOCKS, WIDTH, HEADS, WINDOW, CONVOLUTION = 4, 192, 6, 256, 2
TOKENS = 500  # of a text
MANY = 64
SPREAD = 2.5  # standard deviation of a trained network's logits
LSTM = ModelConfig("lstm", VOCABULARY, 1, HIDDEN, EMBEDDING, 0, 100)
TRANSFORMER = ModelConfig(
    "transformer", VOCABULARY, BLOCKS, WIDTH, WIDTH, HEADS, WINDOW, convolution=CONVOLUTION
)
CORES = usable_cores()
ALONE, TOGETHER = "seqgen", f"seqgen, {MANY} at once"
BESIDE = f"{TOGETHER}, {CORES} processes"
BARE_TOGETHER = f"bare products, {MANY} at once"
BARE, KERAS, TORCH = "NumPy's bare products", "MIT lab, Keras loop", "MIT lab, PyTorch loop"
NANOGPT = "nanoGPT's generate"

Network: TypeAlias = tuple[ModelConfig, Tokenizer, dict[str, Any]]


def random_network(model: ModelConfig) -> Network:
    """A network of random weights, whose logits are as wide as a trained one's."""
    tokenizer = Tokenizer("char", [chr(0x4E00 + i) for i in range(VOCABULARY - FIRST_PIECE)])
    weights = initialise(model, 0)
    kernel = np.random.default_rng(0).normal(0.0, 1.0, weights["output.kernel"].shape)
    weights["output.kernel"] = kernel.astype(np.float32)
    ids = random_tokens(VOCABULARY, (1, TOKENS))
    decoder = decoders.build(model, weights)
    wide = decoder.read(ids, decoder.start(1))[0].std()
    weights["output.kernel"] *= np.float32(SPREAD) / wide
    return model, tokenizer, weights


def trained_network(path: Path) -> Network:
    """A model file's."""
    saved = checkpoint.load(path)
    model = saved.card.model
    if (model.arch, model.layers, model.hidden) != ("lstm", 1, HIDDEN):
        sys.exit(f"{path} is no LSTM of one layer of {HIDDEN}")
    return model, saved.card.tokenizer, saved.weights


def seqgen_step(make: Callable[[], Network], rows: int, jobs: int = 1) -> Step:
    """Draws texts, from the prompt to the characters."""
    model, tokenizer, weights = make()
    # No text ends by itself, so that all are as long.
    bans: tuple[tuple[str, float], ...] = ()
    if model.recurrent:
        weights["output.bias"][BOUNDARY] = -100.0
    else:
        bans = ((END, -np.inf),)
    config = SamplingConfig(max_tokens=TOKENS, logit_bias=bans)
    card = Card(model, tokenizer, "text", {}, {}, {}, {}, "")
    saved = Checkpoint(card, weights, Path("benchmark"))
    sampler = Sampler(saved, config, prompt="", seed=0, jobs=jobs)
    done = 0

    def step() -> int:
        nonlocal done
        for _ in sampler.samples(range(done, done + rows)):
            pass
        done += rows
        return rows * TOKENS

    return step


def bare_step(rows: int = 1) -> Step:
    """The recurrent product and that of the output; the input's is a row of a table."""
    rng = np.random.default_rng(0)
    recurrent = rng.normal(size=(HIDDEN, 4 * HIDDEN)).astype(np.float32)
    output = rng.normal(size=(HIDDEN, VOCABULARY)).astype(np.float32)
    hidden = rng.normal(size=(rows, HIDDEN)).astype(np.float32)
    gates = np.empty((rows, 4 * HIDDEN), np.float32)
    logits = np.empty((rows, VOCABULARY), np.float32)

    def step() -> int:
        for _ in range(TOKENS):
            np.matmul(hidden, recurrent, out=gates)
            np.matmul(hidden, output, out=logits)
        return rows * TOKENS

    return step


def keras_step() -> Step:
    """The lab's loop over a stateful model: one call a character."""
    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    import keras
    import tensorflow as tf

    network = keras.Sequential(
        [
            keras.Input(batch_shape=(1, None)),
            keras.layers.Embedding(VOCABULARY, EMBEDDING),
            keras.layers.LSTM(HIDDEN, return_sequences=True, stateful=True),
            keras.layers.Dense(VOCABULARY),
        ]
    )

    def step() -> int:
        ids = tf.expand_dims([20], 0)
        for _ in range(TOKENS // 10):
            logits = tf.squeeze(network(ids), 0)
            drawn = tf.random.categorical(logits, num_samples=1)[-1, 0].numpy()
            ids = tf.expand_dims([drawn], 0)
        return TOKENS // 10

    return step


def torch_step() -> Step:
    """The lab's loop in PyTorch."""
    import torch

    network = torch_lstm(VOCABULARY, EMBEDDING, HIDDEN)
    network.eval()

    def step() -> int:
        ids, state = torch.tensor([[20]]), None
        with torch.no_grad():
            for _ in range(TOKENS // 10):
                logits, state = network(ids, state)
                ids = torch.multinomial(torch.softmax(logits[:, -1], -1), 1)
                ids[0, 0].item()
        return TOKENS // 10

    return step


def nanogpt_step(folder: Path) -> Step:
    """nanoGPT's own ``generate``."""
    import torch

    network: Any = nanogpt(folder, VOCABULARY, WINDOW, BLOCKS, HEADS, WIDTH)
    network.eval()

    def step() -> int:
        with torch.no_grad():
            network.generate(torch.tensor([[20]]), TOKENS)
        return TOKENS

    return step


def tunes(path: Path, count: int) -> None:
    """Print the time a tune, alone and as one of many."""
    saved = checkpoint.load(path)

    def seconds(seed: int, numbers: range, jobs: int = 1) -> float:
        sampler = Sampler(saved, DEFAULT_SAMPLING["abc"], prompt="", seed=seed, jobs=jobs)
        began = time.perf_counter()
        for _ in sampler.texts(numbers):
            pass
        return (time.perf_counter() - began) / len(numbers)

    seconds(0, range(1))
    alone = float(np.mean([seconds(seed, range(1)) for seed in range(1, 21)]))
    print(f"\n{path.name}: a tune alone {1e3 * alone:.1f} ms")
    for jobs in sorted({1, CORES}):
        together = seconds(1, range(count), jobs)
        print(f"  one of {count:,}, by {jobs} processes: {1e3 * together:.1f} ms: "
              f"{together / alone:.3f} (at most 0.25)")  # fmt: skip


def compile_step(make: Callable[[], Network]) -> None:
    """Once a machine; a command that draws long enough does so by itself."""
    model, _, weights = make()
    decoder = decoders.build(model, weights)
    began = time.perf_counter()
    decoder.hasten(sys.maxsize, sys.maxsize)
    decoder.step(np.ones(MANY, np.int32), decoder.start(MANY))
    print(f"  {model.arch}: compiled or loaded in {time.perf_counter() - began:.1f} s",
          file=sys.stderr)  # fmt: skip


def many(make: Callable[[], Network]) -> dict[str, Maker]:
    """Whoever draws many at once, by one process and by one for each core."""
    makers: dict[str, Maker] = {TOGETHER: partial(seqgen_step, make, MANY)}
    if CORES > 1:
        makers[BESIDE] = partial(seqgen_step, make, MANY, CORES)
    return makers


def print_many(title: str, rates: dict[str, float], least: float) -> None:
    """The table of many at once, the fastest first."""
    best = sorted(rates.keys() & {TOGETHER, BESIDE}, key=lambda name: -rates[name])
    # More than the products give no one can have.
    both = {name: rates[name] for name in (*best, BARE_TOGETHER, ALONE, BARE) if name in rates}
    print_rates(f"{title}, {MANY} at once", both, [Target("one", (ALONE,), least)])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nanogpt", type=Path, help="a checkout of karpathy/nanoGPT")
    parser.add_argument("--lstm", type=Path, help=f"a model with an LSTM of 1 x {HIDDEN}")
    parser.add_argument("-m", "--model", type=Path, help="a model of tunes")
    parser.add_argument("--tunes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn, at least")
    options = parser.parse_args()

    lstm = partial(random_network, LSTM)
    if options.lstm:
        lstm = partial(trained_network, options.lstm)
    makers: dict[str, Maker] = {ALONE: partial(seqgen_step, lstm, 1), BARE: bare_step}
    targets = [Target("the bare products", (BARE,), 0.8)]
    if is_installed("keras"):
        makers[KERAS] = keras_step
        targets.append(Target("the Keras loop", (KERAS,), 45.0))
    if is_installed("torch"):
        makers[TORCH] = torch_step
        targets.append(Target("the PyTorch loop", (TORCH,), 15.0))
    compile_step(lstm)
    together = many(lstm) | {BARE_TOGETHER: partial(bare_step, MANY)}
    rates = rates_of(together | makers, rounds=options.rounds, seconds=options.seconds)
    title = f"LSTM, hidden {HIDDEN}, embedding {EMBEDDING}"
    print_rates(title, {name: rates[name] for name in makers}, targets)
    print_many(title, rates, 3.0)

    transformer = partial(random_network, TRANSFORMER)
    compile_step(transformer)
    makers = {ALONE: partial(seqgen_step, transformer, 1)}
    targets = []
    if options.nanogpt and is_installed("torch"):
        makers[NANOGPT] = partial(nanogpt_step, options.nanogpt)
        targets = [Target("nanoGPT", (NANOGPT,), 8.0)]
    rates = rates_of(many(transformer) | makers, rounds=options.rounds, seconds=options.seconds)
    title = f"Transformer, {BLOCKS} blocks of {WIDTH}, window {WINDOW}"
    print_rates(f"{title} (at least 3,000)", {name: rates[name] for name in makers}, targets)
    print_many(title, rates, 5.0)

    if options.model:
        tunes(options.model, options.tunes)


if __name__ == "__main__":
    main()
