"""Contenders that learn in turns, each in its own process, so that all see the same machine."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from seqgen.config import Architecture, ModelConfig, TrainingConfig

__all__ = [
    "Maker",
    "Step",
    "Target",
    "is_installed",
    "print_rates",
    "random_tokens",
    "rates_of",
    "seqgen_step",
]

Step = Callable[[], int]  # one update; the tokens that it learnt from
Maker = Callable[[], Step]  # builds a contender in its own process, so it must be picklable

WARM_UPS = 2  # updates; the first compiles
HEADS = 4  # of a Transformer


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """How many times as fast as the best of some contenders the first one has to be."""

    peer: str
    contenders: Sequence[str]
    least: float


def is_installed(package: str) -> bool:
    """Whether a peer can be measured."""
    return importlib.util.find_spec(package) is not None


def random_tokens(vocabulary: int, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Tokens from 1 on: 0 is the boundary between documents for seqgen."""
    return np.random.default_rng(0).integers(1, vocabulary, shape, dtype=np.int32)


def seqgen_step(
    arch: Architecture,
    *,
    vocabulary: int,
    layers: int,
    hidden: int,
    embedding: int,
    batch: int,
    window: int,
) -> Step:
    """The product's update, from the cutting of the batch out of the corpus to the check that all
    numbers are finite."""
    from seqgen.training.runtime import import_tensorflow, native_precision

    import_tensorflow()
    from seqgen.training import compute
    from seqgen.training.batches import Batches
    from seqgen.training.plan import CONVOLUTION
    from seqgen.training.trainer import Trainer

    heads = HEADS if arch == "transformer" else 0
    convolution = CONVOLUTION if arch == "transformer" else 0
    model = ModelConfig(
        arch, vocabulary, layers, hidden, embedding, heads, window, convolution=convolution
    )
    config = TrainingConfig(
        steps=1_000_000,
        batch_size=batch,
        seq_length=window,
        learning_rate=1e-3,
        warmup_steps=50,
        weight_decay=0.0,
        clip_norm=1.0,
        dropout=0.0,
        evaluate_every=1_000_000,
        checkpoint_every=1_000_000,
        patience=1,
        seed=0,
        precision=native_precision(),
    )
    batches = Batches(
        [random_tokens(vocabulary, (1_000_000,))],
        batch_size=batch,
        seq_length=window,
        seed=0,
        carried=model.recurrent,
    )
    chosen = compute.choose(model, config, batches)
    trainer = Trainer(model, dataclasses.replace(config, **dataclasses.asdict(chosen)))
    done = 0

    def step() -> int:
        nonlocal done
        trainer.update(batches[done], done)
        done += 1
        return batch * window

    return step


def rates_of(makers: Mapping[str, Maker], *, rounds: int, seconds: float) -> dict[str, float]:
    """Tokens a second of each contender: the best of its rounds.

    Args:
        makers: by the contender's name.
        rounds: how often each has its turn.
        seconds: of a turn, at least: an update that has begun is finished.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name, make in makers.items():
        print(f"  preparing {name}", file=sys.stderr)
        pipe, theirs = context.Pipe()
        context.Process(target=_serve, args=(make, seconds, theirs), daemon=True).start()
        theirs.close()
        pipes[name] = pipe
        _answer(name, pipe)  # one compiles at a time
    rates = dict.fromkeys(makers, 0.0)
    for turn in range(rounds):
        print(f"  round {turn + 1} of {rounds}", file=sys.stderr)
        for name, pipe in pipes.items():
            pipe.send(True)
            rates[name] = max(rates[name], _answer(name, pipe))
    for pipe in pipes.values():
        pipe.send(False)
    return rates


def _serve(make: Maker, seconds: float, pipe: Connection) -> None:
    """A contender's process: builds it, then works whenever it is told to."""
    step = make()
    for _ in range(WARM_UPS):
        step()
    pipe.send(0.0)
    with contextlib.suppress(EOFError, BrokenPipeError):  # whoever asks was interrupted
        while pipe.recv():
            tokens, elapsed, began = 0, 0.0, time.perf_counter()
            while elapsed < seconds:
                tokens += step()
                elapsed = time.perf_counter() - began
            pipe.send(tokens / elapsed)


def _answer(name: str, pipe: Connection) -> float:
    try:
        return float(pipe.recv())
    except EOFError:
        sys.exit(f"{name} failed; why stands above")


def print_rates(title: str, rates: Mapping[str, float], targets: Sequence[Target]) -> None:
    """A table of rates and their ratios to the first contender's, and what was to be reached."""
    ours, rate = next(iter(rates.items()))
    print(f"{title:<33} {'tokens/s':>10} {ours:>11}")
    for name, other in rates.items():
        times = "" if name == ours else f"{rate / other:.2f} times"
        print(f"  {name:<32}{other:>10,.0f}{times:>12}")
    for target in targets:
        present = [rates[name] for name in target.contenders if name in rates]
        if present:
            ratio = rate / max(present)
            verdict = "met" if ratio >= target.least else "missed"
            print(f"  {target.peer}: {ratio:.2f} times, of at least {target.least:g}: {verdict}")
