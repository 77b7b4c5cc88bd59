"""What a run will be, decided before its first update: sizes by corpus and budget; steps, which are
counted again on the way, by the clock.

Every choice can be made by the user; the rest follows from what has been measured to work. A small
corpus wants a small network, and the more dropout the oftener it is read, or it is learnt by heart;
a large one wants width, where there is time for it: in a short run many small updates are worth
more than large ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from seqgen.config import Architecture, Compute, ModelConfig, Precision, TrainingConfig
from seqgen.corpus.documents import Kind
from seqgen.errors import InputError

__all__ = ["Wishes", "plan_model", "plan_training"]

LARGEST_CORPUS_TOKENS = 1 << 62
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
    convolution: int | None = None
    steps: int | None = None
    budget_seconds: float = 300.0
    checkpoint_every: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raises UsageError for what no corpus could make right."""
        for tokens in (LARGEST_CORPUS_TOKENS, SMALL - 1):
            steps = self.steps or 1
            plan_training(
                self, kind="abc", tokens=tokens, precision="float32", steps=steps, evaluations=1
            )
            plan_model(self, vocabulary=2, tokens=tokens)

    def check_window(self, tokens: int) -> None:
        """Raises InputError for a window that is longer than the ``tokens`` to learn from."""
        if self.seq_length is not None and self.seq_length > tokens:
            raise InputError(
                f"the corpus holds {tokens:,} tokens to learn from, fewer than one sequence of "
                f"{self.seq_length:,}; lower --seq-length, or give it more"
            )


@dataclass(frozen=True, slots=True)
class _Defaults:
    tokens_below: float  # for a corpus with fewer
    seconds_below: float  # and a budget of fewer
    layers: int
    hidden: int
    seq_length: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    tokens_per_second: float  # about, on two cores: enough to guess how often a corpus is read


ALL = math.inf
SMALL = 400_000
# The first that fits.
_DEFAULTS: dict[Architecture, tuple[_Defaults, ...]] = {
    "rnn": (
        _Defaults(SMALL, ALL, 1, 512, 64, 16, 3e-3, 0.01, 25e3),
        _Defaults(ALL, ALL, 1, 512, 64, 16, 3e-3, 0.0, 25e3),
    ),
    "gru": (
        _Defaults(SMALL, ALL, 1, 384, 64, 16, 4e-3, 0.01, 20e3),
        _Defaults(ALL, ALL, 1, 512, 64, 16, 6e-3, 0.0, 14e3),
    ),
    "lstm": (
        _Defaults(SMALL, ALL, 1, 384, 64, 16, 4e-3, 0.01, 18e3),
        _Defaults(ALL, ALL, 1, 512, 64, 16, 6e-3, 0.0, 12e3),
    ),
    "transformer": (
        _Defaults(SMALL, 40, 3, 128, 128, 8, 0.02, 0.1, 38e3),
        _Defaults(SMALL, 150, 4, 128, 256, 8, 0.02, 0.1, 36e3),
        _Defaults(SMALL, ALL, 4, 128, 256, 8, 0.02, 0.4, 36e3),
        _Defaults(ALL, 40, 3, 128, 64, 8, 0.02, 0.1, 28e3),
        _Defaults(ALL, 150, 4, 128, 128, 8, 0.02, 0.1, 30e3),
        _Defaults(ALL, 600, 4, 192, 128, 8, 0.02, 0.1, 17e3),
        _Defaults(ALL, ALL, 4, 192, 256, 8, 0.02, 0.1, 20e3),
    ),
}
# Dropout by how often the corpus is read: the times that need none, and what each doubling adds.
# The LSTM's as measured on a sixth of irish.abc, with as many weights a token as by default: none
# was best after 8 times, 0.2 to 0.4 after 23, 0.4 to 0.6 after 58. The others' go through what has
# done well in longer runs.
_DROPOUT: dict[Architecture, tuple[float, float]] = {
    "rnn": (8.0, 0.07),
    "gru": (8.0, 0.15),
    "lstm": (8.0, 0.15),
    "transformer": (4.0, 0.06),
}
MOST_DROPOUT = 0.5
MOST_FASTER = 3.0  # a small network reads that much faster than the usual one: the rest is overhead
T = TypeVar("T")
EMBEDDING = 64  # recurrent networks': their first input product is a table, so width is nearly free
HEAD_WIDTH = 32
CONVOLUTION = 2


def _defaults(wishes: Wishes, tokens: int) -> _Defaults:
    return next(
        defaults
        for defaults in _DEFAULTS[wishes.arch]
        if tokens < defaults.tokens_below and wishes.budget_seconds < defaults.seconds_below
    )


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
        context=_window(wishes, tokens),
        tie_embeddings=wishes.tie_embeddings,
        logit_softcap=wishes.logit_softcap,
        convolution=_either(wishes.convolution, CONVOLUTION if transformer else 0),
    )


def _window(wishes: Wishes, tokens: int) -> int:
    """As asked for, or the usual one, unless the corpus is shorter."""
    usual = _defaults(wishes, tokens).seq_length
    return _either(wishes.seq_length, max(2, min(usual, tokens)))


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
    seq_length = _window(wishes, tokens)
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
        dropout=_either(wishes.dropout, _dropout(wishes, tokens)),
        evaluate_every=evaluate_every,
        checkpoint_every=_either(wishes.checkpoint_every, evaluate_every),
        # Exactly so many steps means so many: what was best is kept all the same.
        patience=PATIENCE if wishes.steps is None else wishes.steps,
        seed=wishes.seed,
        precision=precision,
        compute=compute,
    )


def _dropout(wishes: Wishes, tokens: int) -> float:
    """None for what is read a few times, more the oftener: what is learnt by heart helps nobody."""
    defaults = _defaults(wishes, tokens)
    if wishes.steps is not None:
        batch = _either(wishes.batch_size, defaults.batch_size) * wishes.accumulate
        read = float(wishes.steps * batch * _window(wishes, tokens))
    else:
        # Guessed, not measured: a repeated run must be the same run.
        usual = defaults.layers * defaults.hidden**2
        size = (
            _either(wishes.layers, defaults.layers) * _either(wishes.hidden, defaults.hidden) ** 2
        )
        faster = min(MOST_FASTER, usual / size)
        read = wishes.budget_seconds * defaults.tokens_per_second * faster
    enough, more = _DROPOUT[wishes.arch]
    doublings = math.log2(max(1.0, read / max(1, tokens) / enough))
    return round(min(MOST_DROPOUT, more * doublings), 2)
