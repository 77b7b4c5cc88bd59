"""What a run will be, decided before its first update: sizes by the corpus, steps by the clock.

Every choice can be made by the user; the rest follows from what has been measured to work. A small
corpus wants a small network and strong dropout, or it is learnt by heart; a large one wants width.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from seqgen.config import Architecture, ModelConfig, Precision, TrainingConfig
from seqgen.errors import TrainingError
from seqgen.training.batches import Batches
from seqgen.training.trainer import Trainer
from seqgen.training.validation import ValidationRows

__all__ = ["Wishes", "choose_steps", "plan_model", "plan_training"]

SMALL_CORPUS_TOKENS = 400_000
MAX_EVALUATIONS = 12
MIN_EVALUATIONS = 3
EVALUATION_SHARE = 0.12  # of the time, at most, is spent on evaluations
MEASURED_SECONDS = 1.0
PATIENCE = 4


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for; None leaves the choice to the plan."""

    arch: Architecture = "lstm"
    layers: int | None = None
    hidden: int | None = None
    seq_length: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    dropout: float | None = None
    clip_norm: float = 1.0
    steps: int | None = None
    budget_seconds: float = 180.0
    checkpoint_every: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Defaults:
    layers: int
    hidden: int
    seq_length: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float


# By architecture and whether the corpus is small.
_DEFAULTS: dict[tuple[Architecture, bool], _Defaults] = {
    ("lstm", True): _Defaults(1, 384, 64, 16, 4e-3, 0.01, 0.3),
    ("lstm", False): _Defaults(1, 512, 64, 16, 4e-3, 0.0, 0.0),
    ("transformer", True): _Defaults(4, 128, 256, 8, 0.02, 0.1, 0.2),
    ("transformer", False): _Defaults(4, 192, 256, 8, 0.02, 0.1, 0.1),
}
EMBEDDING = 64  # an LSTM's; its first input product is a table, so width costs nothing but weights
HEAD_WIDTH = 32


def _defaults(wishes: Wishes, tokens: int) -> _Defaults:
    return _DEFAULTS[wishes.arch, tokens < SMALL_CORPUS_TOKENS]


def plan_model(wishes: Wishes, *, vocabulary: int, tokens: int) -> ModelConfig:
    """The network for a corpus of ``tokens`` training tokens."""
    defaults = _defaults(wishes, tokens)
    hidden = wishes.hidden or defaults.hidden
    transformer = wishes.arch == "transformer"
    return ModelConfig(
        arch=wishes.arch,
        vocabulary=vocabulary,
        layers=wishes.layers or defaults.layers,
        hidden=hidden,
        embedding=hidden if transformer else EMBEDDING,
        heads=max(1, hidden // HEAD_WIDTH) if transformer else 0,
        context=wishes.seq_length or defaults.seq_length,
    )


def plan_training(
    wishes: Wishes, *, tokens: int, precision: Precision, steps: int, evaluations: int
) -> TrainingConfig:
    """The recipe for a run of ``steps`` updates."""
    defaults = _defaults(wishes, tokens)
    evaluate_every = max(1, math.ceil(steps / evaluations))
    return TrainingConfig(
        steps=steps,
        batch_size=wishes.batch_size or defaults.batch_size,
        seq_length=wishes.seq_length or defaults.seq_length,
        learning_rate=wishes.learning_rate or defaults.learning_rate,
        warmup_steps=min(50, steps // 10),
        weight_decay=defaults.weight_decay,
        clip_norm=wishes.clip_norm,
        dropout=defaults.dropout if wishes.dropout is None else wishes.dropout,
        evaluate_every=evaluate_every,
        checkpoint_every=wishes.checkpoint_every or evaluate_every,
        patience=PATIENCE,
        seed=wishes.seed,
        precision=precision,
    )


def choose_steps(
    trainer: Trainer, batches: Batches, rows: ValidationRows, budget_seconds: float
) -> tuple[int, int]:
    """How many updates and evaluations fit into a budget, by trying a few.

    The trainer has learnt a little afterwards: it is used for nothing else.

    Raises:
        TrainingError: the budget is too small for an update and an evaluation.
    """
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
            f"here; allow at least {math.ceil(2 * least)} s, or name a smaller network with --hidden"
        )
    return steps, min(evaluations, steps)
