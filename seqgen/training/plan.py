"""What a run will be, decided before its first update: sizes by the corpus, steps by the clock.

Every choice can be made by the user; the rest follows from what has been measured to work. A small
corpus wants a small network and strong dropout, or it is learnt by heart; a large one wants width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from seqgen.config import Architecture, Compute, ModelConfig, Precision, TrainingConfig
from seqgen.corpus.documents import Kind

__all__ = ["Wishes", "plan_model", "plan_training"]

SMALL_CORPUS_TOKENS = 400_000
PATIENCE = 4
CLIP_NORM = 1.0
AUGMENT_EPOCHS = 12  # as often must the same tunes come by for other keys to pay; docs/tunes.md


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for; None leaves the choice to the plan."""

    arch: Architecture = "transformer"
    layers: int | None = None
    hidden: int | None = None
    seq_length: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    dropout: float | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    ema: float | None = None
    accumulate: int = 1
    augment: bool | None = None
    compute: Compute | None = None
    tie_embeddings: bool = False
    logit_softcap: float | None = None
    steps: int | None = None
    budget_seconds: float = 180.0
    checkpoint_every: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raises UsageError for what no corpus could make right."""
        for tokens in (0, SMALL_CORPUS_TOKENS):
            plan_model(self, vocabulary=2, tokens=tokens)
            steps = self.steps or 1
            plan_training(
                self, kind="abc", tokens=tokens, precision="float32", steps=steps, evaluations=1
            )


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
    ("rnn", True): _Defaults(1, 512, 64, 16, 3e-3, 0.01, 0.2),
    ("rnn", False): _Defaults(1, 512, 64, 16, 3e-3, 0.0, 0.0),
    ("gru", True): _Defaults(1, 384, 64, 16, 4e-3, 0.01, 0.4),
    ("gru", False): _Defaults(1, 512, 64, 16, 6e-3, 0.0, 0.0),
    ("lstm", True): _Defaults(1, 384, 64, 16, 4e-3, 0.01, 0.4),
    ("lstm", False): _Defaults(1, 512, 64, 16, 6e-3, 0.0, 0.0),
    ("transformer", True): _Defaults(4, 128, 256, 8, 0.02, 0.1, 0.2),
    ("transformer", False): _Defaults(4, 192, 256, 8, 0.02, 0.1, 0.1),
}
T = TypeVar("T")
EMBEDDING = 64  # recurrent networks': their first input product is a table, so width is nearly free
HEAD_WIDTH = 32


def _defaults(wishes: Wishes, tokens: int) -> _Defaults:
    return _DEFAULTS[wishes.arch, tokens < SMALL_CORPUS_TOKENS]


def _either(wish: T | None, default: T) -> T:
    return default if wish is None else wish


def plan_model(wishes: Wishes, *, vocabulary: int, tokens: int) -> ModelConfig:
    """The network for a corpus of ``tokens`` training tokens."""
    defaults = _defaults(wishes, tokens)
    hidden = _either(wishes.hidden, defaults.hidden)
    transformer = wishes.arch == "transformer"
    return ModelConfig(
        arch=wishes.arch,
        vocabulary=vocabulary,
        layers=_either(wishes.layers, defaults.layers),
        hidden=hidden,
        embedding=hidden if transformer else EMBEDDING,
        heads=_heads(hidden) if transformer else 0,
        context=_either(wishes.seq_length, defaults.seq_length),
        tie_embeddings=wishes.tie_embeddings,
        logit_softcap=wishes.logit_softcap,
    )


def _heads(hidden: int) -> int:
    """As many heads of about HEAD_WIDTH as divide the width into even parts."""
    most = max(1, hidden // HEAD_WIDTH)
    return next((heads for heads in range(most, 0, -1) if hidden % (2 * heads) == 0), 1)


def plan_training(
    wishes: Wishes,
    *,
    kind: Kind,
    tokens: int,
    precision: Precision,
    steps: int,
    evaluations: int,
    compute: Compute = "plain",
) -> TrainingConfig:
    """The recipe for a run of ``steps`` updates."""
    defaults = _defaults(wishes, tokens)
    unlimited = wishes.clip_norm is None and wishes.clip_value is None
    evaluate_every = max(1, math.ceil(steps / evaluations))
    batch_size = _either(wishes.batch_size, defaults.batch_size)
    seq_length = _either(wishes.seq_length, defaults.seq_length)
    learnt = steps * wishes.accumulate * batch_size * seq_length
    return TrainingConfig(
        steps=steps,
        batch_size=batch_size,
        seq_length=seq_length,
        learning_rate=_either(wishes.learning_rate, defaults.learning_rate),
        warmup_steps=min(50, steps // 10),
        weight_decay=defaults.weight_decay,
        clip_norm=CLIP_NORM if unlimited else wishes.clip_norm,
        clip_value=wishes.clip_value,
        ema=wishes.ema,
        accumulate=wishes.accumulate,
        augment=kind == "abc" and _either(wishes.augment, learnt >= AUGMENT_EPOCHS * tokens),
        dropout=_either(wishes.dropout, defaults.dropout),
        evaluate_every=evaluate_every,
        checkpoint_every=_either(wishes.checkpoint_every, evaluate_every),
        # Exactly so many steps means so many: what was best is kept all the same.
        patience=PATIENCE if wishes.steps is None else wishes.steps,
        seed=wishes.seed,
        precision=precision,
        compute=compute,
    )
