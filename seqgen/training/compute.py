"""What computes a run's updates fastest on this machine: tried once, and remembered.

Which of TensorFlow's own operations (oneDNN's on most processors), its compiler XLA and machine
code of our own is faster, and whether narrow products pay, depends on the processor and on the
shapes. A long run tries them for a few updates at its beginning, in turns; XLA, which takes long to
compile, only where native code is not the fastest. The answer is kept in the user's cache folder
for seqgen, a file for each machine and shape, and the first answer stands: so the same command with
the same seed gives the same bytes again. For the same reason whether a run is long depends on the
command alone. A shorter run takes what is mostly best; a very short one what needs no compiler,
whose start would cost more than it gives, unless it goes by the clock, as its steps do, and finds
everything compiled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import json
import operator
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import tensorflow as tf

from seqgen import __version__
from seqgen.config import Compute, ModelConfig, Precision, TrainingConfig, to_json
from seqgen.errors import SeqgenError, UsageError
from seqgen.files import cache_folder, read_bytes, require_folder, write_once
from seqgen.models import parameters
from seqgen.models.networks.native import can_run, is_kept
from seqgen.training.batches import Batches
from seqgen.training.memory import least_bytes, machine_bytes
from seqgen.training.runtime import native_precision, processor
from seqgen.training.stopwatch import BUSY, share_waited
from seqgen.training.trainer import Trainer

__all__ = ["Choice", "choose", "decide", "usual"]

LONG_SECONDS = 150.0
# Up to here a first run on a machine loses far more by its compiler than it gains; a Transformer's
# breaks even at about 70 s.
SHORT_SECONDS, SHORT_TRANSFORMER_SECONDS = 20.0, 45.0
FLOPS_A_SECOND = 1.3e11  # about that on two cores
TURNS = 5  # updates of each candidate that are timed, after the one that compiles it
MUCH_SLOWER = 1.5  # a candidate so much slower in its first two turns needs no other
AT_ONCE = 4  # times the least memory of a run: two candidates, each of which takes twice that


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """How updates are computed; see TrainingConfig."""

    compute: Compute
    precision: Precision


def usual(model: ModelConfig, compute: Compute | None = None) -> Choice:
    """What is mostly fastest, all in all or with ``compute``: XLA's narrow products are slow.

    Raises:
        UsageError: the network can't be computed so.
    """
    if compute == "xla":
        return Choice("xla", "float32")
    if compute != "plain" and (choices := _native(model)):
        return choices[0]
    if compute == "native":
        raise UsageError(
            "--compute native is for x86-64 processors with AVX2, and for --hidden a multiple of "
            "32, a Transformer's by each of its heads; leave it out"
        )
    return Choice("plain", native_precision())


def _native(model: ModelConfig) -> list[Choice]:
    """The way by code of our own, with products as narrow as the processor has; none where it
    can't run."""
    precision = native_precision()
    return [Choice("native", precision)] if can_run(model, precision) else []


def _precisions() -> list[Precision]:
    return ["float32"] if native_precision() == "float32" else ["float32", "bfloat16"]


def decide(
    wish: Compute | None,
    model: ModelConfig,
    config: TrainingConfig,
    budget_seconds: float | None,
    make_batches: Callable[[], Batches],
) -> Choice:
    """As the user wishes; else measured for a long run, by a command that says how long.

    Raises:
        UsageError: the network can't be computed so.
    """
    if wish is not None:
        return usual(model, wish)
    seconds = about_seconds(model, config, budget_seconds)
    if seconds >= LONG_SECONDS:
        return choose(model, config, make_batches())
    choice = usual(model)
    if choice.compute != "native":
        return choice
    short = seconds < (SHORT_SECONDS if model.recurrent else SHORT_TRANSFORMER_SECONDS)
    if short and (budget_seconds is None or not is_kept(model, choice.precision)):
        return usual(model, "plain")
    return choice


def about_seconds(
    model: ModelConfig, config: TrainingConfig, budget_seconds: float | None
) -> float:
    """How long a run of a budget takes or, without one, of ``config.steps``, as a guess."""
    if budget_seconds is not None:
        return budget_seconds
    # Two operations a weight forwards and four back.
    operations = 6.0 * parameters.count(model) * config.tokens_per_update * config.steps
    return operations / FLOPS_A_SECOND


def choose(model: ModelConfig, config: TrainingConfig, batches: Batches) -> Choice:
    """The choice remembered for this machine and these shapes; else it is measured now.

    Where nothing can be remembered nothing is measured either: two runs might disagree. Nor is it
    where two of the network would not fit into memory; both then take what is mostly fastest.
    """
    key = json.dumps(_key(model, config), sort_keys=True)
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    path = cache_folder() / "compute" / f"{name}.json"
    try:
        require_folder(path)
        remembered = _recall(path)
        if remembered is None and (seconds := _measure(model, config, batches)):
            remembered = _remember(path, key, seconds)
        return remembered or usual(model)
    except (SeqgenError, OSError):
        return usual(model)


def _key(model: ModelConfig, config: TrainingConfig) -> dict[str, object]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "tensorflow": tf.__version__,
        "seqgen": __version__,
        "candidates": [dataclasses.astuple(choice) for choice in _candidates(model)],
        "model": to_json(model),
        "batch_size": config.batch_size,
        "seq_length": config.seq_length,
        "accumulate": config.accumulate,
        "dropout": config.dropout > 0,
    }


def _recall(path: Path) -> Choice | None:
    """The choice in a file; None if there is no such file, or it holds something else."""
    if not path.exists():
        return None
    try:
        values = json.loads(read_bytes(path, max_bytes=1 << 16))
        choice = Choice(values["compute"], values["precision"])
    except (ValueError, KeyError, TypeError):
        return None
    known = choice.compute in get_args(Compute) and choice.precision in get_args(Precision)
    return choice if known else None


def _remember(path: Path, key: str, seconds: dict[Choice, float]) -> Choice:
    choice = min(seconds, key=lambda candidate: seconds[candidate])
    values = dataclasses.asdict(choice) | {
        "milliseconds": {
            f"{c.compute} {c.precision}": round(1e3 * s, 2) for c, s in seconds.items()
        },
        "for": json.loads(key),
    }
    if path.exists() and _recall(path) is None:
        path.unlink()  # it is damaged
    write_once(path, json.dumps(values, indent=1).encode())
    return _recall(path) or choice  # another run may have been first


def _measure(model: ModelConfig, config: TrainingConfig, batches: Batches) -> dict[Choice, float]:
    """Seconds of an update by each candidate; of the usual one alone on a busy machine; of none
    where two would not fit into memory.

    A machine's speed moves by a third from one second to the next. So each candidate is timed in
    turns with the fastest before it, and its time is that one's, times how much longer it took: in
    most of the turns, and at its best. Where the speed changes one turn is wrong, and a slow spell
    that lasts for most of them may be harder on one of the two.
    """
    most = machine_bytes()
    if most is not None and AT_ONCE * least_bytes(model, config) > most:
        return {}
    began, worked = time.perf_counter(), time.process_time()
    seconds: dict[Choice, float] = {}
    fastest: tuple[Choice, Callable[[int], float]] | None = None

    def attempt(choice: Choice) -> None:
        nonlocal fastest
        update = _updater(model, dataclasses.replace(config, **dataclasses.asdict(choice)), batches)
        update(0)
        if fastest is None:
            seconds[choice] = min(update(step) for step in range(1, TURNS + 1))
            fastest = choice, update
            return
        own: list[float] = []
        others: list[float] = []
        for step in range(1, TURNS + 1):
            own.append(update(step))
            others.append(fastest[1](step))
            if step > 1 and min(map(operator.truediv, own, others)) > MUCH_SLOWER:
                break
        mostly = statistics.median(map(operator.truediv, own, others))
        longer = max(mostly, min(own) / min(others))
        seconds[choice] = longer * seconds[fastest[0]]
        if longer < 1.0:
            fastest = choice, update

    for choice in _candidates(model):
        if choice.compute == "xla" and fastest is not None and fastest[0].compute == "native":
            # 15 s for both ways of it: at best, in ten networks, 1.4 times native code's time.
            continue
        # XLA can't compile everything here, or not in the memory there is.
        with contextlib.suppress(tf.errors.OpError, MemoryError):
            attempt(choice)
        gc.collect()  # a trainer refers to itself
    fastest = None
    gc.collect()
    waited = share_waited(time.perf_counter() - began, time.process_time() - worked)
    if usual(model) in seconds and waited > BUSY:
        return {usual(model): seconds[usual(model)]}
    return seconds


def _candidates(model: ModelConfig) -> list[Choice]:
    """All ways there are; what is mostly fastest first, so that what is far behind costs little."""
    ways: tuple[Compute, ...] = ("plain", "xla")
    return _native(model) + [Choice(way, p) for way in ways for p in _precisions()]


def _updater(
    model: ModelConfig, config: TrainingConfig, batches: Batches
) -> Callable[[int], float]:
    trainer = Trainer(model, config)

    def update(step: int) -> float:
        batch = batches[step]  # whose first reader begins an epoch for all
        begin = time.perf_counter()
        trainer.update(batch, step)
        return time.perf_counter() - begin

    return update
