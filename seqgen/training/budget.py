"""A budget of time into a number of updates, fixed before the run begins."""

from __future__ import annotations

import math
import time

import tensorflow as tf

from seqgen.config import TrainingConfig
from seqgen.errors import TrainingError
from seqgen.training.batches import Batches
from seqgen.training.trainer import Trainer
from seqgen.training.validation import ValidationRows

__all__ = ["choose_steps", "out_of_memory"]

MAX_EVALUATIONS = 12
MIN_EVALUATIONS = 3
EVALUATION_SHARE = 0.12  # of the time, at most, is spent on evaluations
MEASURED_SECONDS = 1.0


def out_of_memory(config: TrainingConfig) -> TrainingError:
    """What to say when a batch does not fit."""
    return TrainingError(
        f"{config.batch_size} sequences of {config.seq_length} tokens need more memory than there "
        "is; lower --batch-size, --seq-length or --hidden (--accumulate makes up for small batches)"
    )


def choose_steps(
    trainer: Trainer, batches: Batches, rows: ValidationRows, budget_seconds: float
) -> tuple[int, int]:
    """How many updates and evaluations fit into a budget, by trying a few.

    The trainer has learnt a little afterwards: it is used for nothing else.

    Raises:
        TrainingError: the budget is too small for an update and an evaluation, or the memory for
            a batch.
    """
    try:
        return _measure(trainer, batches, rows, budget_seconds)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise out_of_memory(trainer.config) from error


def _measure(
    trainer: Trainer, batches: Batches, rows: ValidationRows, budget_seconds: float
) -> tuple[int, int]:
    begin = time.perf_counter()
    trainer.update(batches[0], 0)
    rows.score(trainer.loss_sum, batches_at_most=1)
    compiled = time.perf_counter()
    rows.score(trainer.loss_sum, batches_at_most=1)
    score_seconds = (time.perf_counter() - compiled) * rows.batches
    updates, started = 0, time.perf_counter()
    while updates < 3 or time.perf_counter() - started < min(MEASURED_SECONDS, budget_seconds / 20):
        trainer.update(batches[updates], updates)
        updates += 1
    update_seconds = (time.perf_counter() - started) / updates
    # The real run compiles once more, and what was spent here is spent.
    left = budget_seconds - (compiled - begin) - (time.perf_counter() - begin)
    evaluations = int(EVALUATION_SHARE * left / score_seconds)
    evaluations = min(MAX_EVALUATIONS, max(MIN_EVALUATIONS, evaluations))
    steps = int((left - evaluations * score_seconds) / update_seconds)
    if steps < 1:
        least = budget_seconds - left + score_seconds + update_seconds
        raise TrainingError(
            f"a budget of {budget_seconds:.0f} s is too small for one update and one evaluation "
            f"here; allow at least {math.ceil(2 * least)} s, or choose a smaller network with "
            "--hidden"
        )
    return steps, min(evaluations, steps)
