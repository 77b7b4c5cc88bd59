"""A run's model file, and how a run goes on from it."""

from __future__ import annotations

import dataclasses
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
from seqgen.errors import CheckpointError, OutputError
from seqgen.files import reason
from seqgen.training.events import Noted, Saved
from seqgen.training.recovery import Recovery

if TYPE_CHECKING:
    from seqgen.training.run import Run

__all__ = ["reload", "restore", "save", "save_and_leave", "try_to_save"]

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
            "owes_evaluation": run.owes_evaluation,
            "good_step": recovery.step,
            "returns": recovery.returns,
            "bad": recovery.bad,
            "moved": recovery.moved,
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
    checkpoint.save(path, card, run.best_weights, memory, index=run.index)


def try_to_save(run: Run) -> Saved | Noted:
    """A save in the middle of a run: where it can't be made, the run goes on without it."""
    try:
        save(run, run.output, finished=False)
    except (OutputError, CheckpointError) as error:
        return Noted(f"step {run.step:,}: {error}; training goes on and tries again later")
    run.saved = True
    return Saved(run.step, run.output)


def save_and_leave(run: Run) -> Saved:
    """The save of a run that is stopped, after any update.

    Raises:
        OutputError: the file can't be written.
    """
    try:
        save(run, run.output, finished=False)
    except CheckpointError:  # the weights are no numbers, which the next updates would have shown
        run.trainer.import_memory(run.recovery.memory)
        run.recovery.go_back()
        save(run, run.output, finished=False)
    return Saved(run.step, run.output)


def reload(
    path: Path,
) -> tuple[checkpoint.Checkpoint, dict[str, Any], str | None]:
    """A saved run or finished model; or, if its file is damaged or gone, the save before it.

    That save takes the file's place, so that the next one finds a whole file to keep. Only for who
    alone may write the file.

    Returns:
        The model, what training kept in it, and what the user should know.
    Raises:
        CheckpointError: there is no way on.
    """
    try:
        return *checkpoint.load_training(path), None
    except CheckpointError as error:
        before = checkpoint.previous(path)
        try:
            saved, memory = checkpoint.load_training(before)
        except CheckpointError:
            raise error from None
        if saved.card.progress is None:
            raise
        try:
            before.replace(path)
        except OSError as problem:
            raise OutputError(f"{path}: can't be written: {reason(problem)}") from problem
        note = f"{error}; going on from the save before it, at step {saved.card.progress['step']:,}"
        return dataclasses.replace(saved, path=path), memory, note


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
            bad=int(progress.get("bad", 0)),
            moved=bool(progress.get("moved", False)),
        )
        run.owes_evaluation = bool(progress.get("owes_evaluation", False))
        if progress.get("log_dir") is not None:
            run.log_dir = Path(progress["log_dir"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{saved.path}: what training keeps in it is damaged ({error}); --force starts afresh"
        ) from error
    run.saved = True
    run.best, run.best_weights, run.created = card.metrics, saved.weights, card.created
    run.best_nats = card.metrics.get(f"nats_per_{UNITS[run.kind]}", math.inf)


def _versions() -> dict[str, str]:
    versions = {"seqgen": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("tensorflow", "keras"):
        versions[name] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return versions
