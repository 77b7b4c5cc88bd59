"""How a run comes about: as the user wishes it, or from the file of an interrupted one."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqgen import checkpoint
from seqgen.config import TrainingConfig
from seqgen.corpus.documents import Corpus
from seqgen.corpus.runs import RunIndex
from seqgen.files import LONGEST_NAME, require_folder
from seqgen.tokenization import Tokenizer
from seqgen.training import compute, saving
from seqgen.training.budget import Budget, Costs, measure
from seqgen.training.data import Data
from seqgen.training.memory import explained, require_memory
from seqgen.training.plan import Wishes, plan_model, plan_training
from seqgen.training.run import Run

__all__ = ["plan_run", "resume_run"]

GOING_ON_RATE = 0.3  # of the usual peak: a finished model is to be taught, not shaken


def plan_run(
    training: Corpus,
    validation: Corpus,
    tokenizer: Tokenizer,
    wishes: Wishes,
    output: Path,
    *,
    description: dict[str, Any],
    resumable: dict[str, Any],
    start: checkpoint.Checkpoint | None = None,
    index: Sequence[RunIndex] = (),
    began: float | None = None,
    show_seconds: float = 0.0,
) -> Run:
    """A new run as the user wishes it, or one that takes over a finished model's weights.

    The tokenizer is learnt from the training part, or the finished model's.

    Args:
        index: which runs the corpus holds, for the model file.
        began: reading of ``time.perf_counter`` when the budget began to run; None means now.
        show_seconds: that the caller will take to draw each evaluation.
    Raises:
        TrainingError: the budget or the memory is too small.
        UsageError: the network can't be computed as it is wished.
    """
    budget = Budget(
        wishes.budget_seconds, time.perf_counter() if began is None else began, show_seconds
    )
    data = Data(training, validation, tokenizer)
    wishes.check_window(data.tokens)
    if start:
        model = start.card.model
    else:
        model = plan_model(wishes, vocabulary=tokenizer.size, tokens=data.tokens)
    chosen = compute.usual(model, wishes.compute)

    def recipe(steps: int, evaluations: int) -> TrainingConfig:
        config = plan_training(
            wishes,
            kind=training.kind,
            tokens=data.tokens,
            precision=chosen.precision,
            compute=chosen.compute,
            steps=steps,
            evaluations=evaluations,
        )
        if start and wishes.learning_rate is None:
            rate = config.learning_rate * GOING_ON_RATE
            config = dataclasses.replace(config, learning_rate=rate)
        return config

    # Without steps, they are counted once the run can be tried.
    steps = 1000 if wishes.steps is None else wishes.steps
    trial = recipe(steps, 1)
    require_memory(model, trial)
    budget_seconds = wishes.budget_seconds if wishes.steps is None else None
    make_batches = functools.partial(data.batches, model, trial)
    chosen = compute.decide(wishes.compute, model, trial, budget_seconds, make_batches)
    run = Run(
        data,
        tokenizer,
        model,
        recipe(steps, min(steps, 10)),
        output,
        kind=training.kind,
        description=description,
        resumable=resumable,
        start=start,
        index=index,
    )
    if wishes.steps is None:
        run.budget, run.costs = budget, _measured(run, budget, wishes.checkpoint_every)
        # A model that goes on is evaluated once before its first update.
        before = run.costs.evaluation if start else 0.0
        fitting = dataclasses.replace(budget, began=budget.began - before)
        run.config = run.trainer.config = recipe(*fitting.steps(run.costs))
        # Whether tunes come in other keys depends on how often they come.
        run.batches = data.batches(model, run.config)
    return run


def resume_run(
    training: Corpus,
    validation: Corpus,
    saved: checkpoint.Checkpoint,
    memory: dict[str, Any],
    config: TrainingConfig,
) -> Run:
    """The run that an interrupted one would have been.

    Raises:
        CheckpointError: the file does not hold what it takes.
    """
    card = saved.card
    data = Data(training, validation, card.tokenizer)
    run = Run(
        data,
        card.tokenizer,
        card.model,
        config,
        saved.path,
        kind=training.kind,
        description=card.corpus,
        resumable=(card.progress or {}).get("corpus", {}),
        index=saved.index,
    )
    saving.restore(run, saved, memory)
    return run


def _measured(run: Run, budget: Budget, checkpoint_every: int | None) -> Costs:
    """What the parts of the run will take; see measure."""

    def save() -> None:
        prefix = f".{run.output.name[:LONGEST_NAME]}."  # see remove_leftovers
        with tempfile.TemporaryDirectory(
            prefix=prefix, suffix=".tmp", dir=run.output.parent
        ) as folder:
            run.trainer.export_memory()  # as after an evaluation
            saving.save(run, Path(folder) / run.output.name, finished=False)

    require_folder(run.output)
    with explained(run.config):
        costs = measure(run.trainer, run.batches, run.rows, save, budget)
    if checkpoint_every is None:
        return costs
    return dataclasses.replace(costs, update=costs.update + costs.save / checkpoint_every)
