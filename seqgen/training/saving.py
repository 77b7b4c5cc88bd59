"""A run's model file, and how a run goes on from it."""

from __future__ import annotations

import math
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen import __version__, checkpoint
from seqgen.checkpoint import Card
from seqgen.config import to_json
from seqgen.corpus.documents import UNITS
from seqgen.errors import CheckpointError
from seqgen.training.recovery import Recovery

if TYPE_CHECKING:
    from seqgen.training.run import Run

__all__ = ["restore", "save"]

GOOD = "good/"  # names of the last good state's tensors, where it is not the latest


def save(run: Run, path: Path, *, finished: bool) -> None:
    """Write the best weights, and unless the run is finished all that it takes to go on.

    Raises:
        CheckpointError: a number is not finite.
        OutputError: the file can't be written.
    """
    recovery, progress, memory = run.recovery, None, None
    if not finished:
        progress = {
            "step": run.step,
            "seconds": run.seconds,
            "without_improvement": run.without_improvement,
            "good_step": recovery.step,
            "returns": recovery.returns,
            "corpus": run.resumable,
            "log_dir": None if run.log_dir is None else str(run.log_dir),
        }
        memory = run.trainer.export_memory()
        if recovery.step != run.step:
            memory |= {GOOD + name: tensor for name, tensor in recovery.memory.items()}
    if not run.best:  # interrupted before the first evaluation
        run.best_weights = run.trainer.export_weights()
    card = Card(
        model=run.model,
        tokenizer=run.tokenizer,
        kind=run.kind,
        corpus=run.description,
        recipe=to_json(run.config),
        metrics=run.best,
        versions=_versions(),
        created=run.created,
        progress=progress,
    )
    checkpoint.save(path, card, run.best_weights, memory)


def restore(run: Run, saved: checkpoint.Checkpoint, memory: dict[str, Any]) -> None:
    """Put a new run where the one that was saved stood.

    Raises:
        CheckpointError: the file does not hold what it takes.
    """
    card, progress = saved.card, saved.card.progress or {}
    try:
        run.resumable = progress["corpus"]
        run.trainer.import_memory(memory)
        run.step = int(progress["step"])
        run.seconds = float(progress["seconds"])
        run.without_improvement = int(progress["without_improvement"])
        good = {n.removeprefix(GOOD): t for n, t in memory.items() if n.startswith(GOOD)}
        run.recovery = Recovery(
            good or run.trainer.export_memory(),
            step=int(progress.get("good_step", run.step)),
            returns=int(progress.get("returns", 0)),
        )
        if progress.get("log_dir") is not None:
            run.log_dir = Path(progress["log_dir"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{saved.path}: what training keeps in it is damaged ({error}); --force starts afresh"
        ) from error
    run.best, run.best_weights, run.created = card.metrics, saved.weights, card.created
    run.best_nats = card.metrics.get(f"nats_per_{UNITS[run.kind]}", math.inf)


def _versions() -> dict[str, str]:
    versions = {"seqgen": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("tensorflow", "keras"):
        versions[name] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return versions
