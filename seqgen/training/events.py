"""What a run tells as it goes; whoever runs it draws these as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.corpus.documents import Kind
from seqgen.models.parameters import Weights
from seqgen.tokenization import Tokenizer
from seqgen.training.validation import Score

__all__ = ["Ended", "Evaluated", "Event", "Noted", "Recounted", "Saved", "Started", "Stepped"]


@dataclass(frozen=True, slots=True)
class Started:
    """Before the first update.

    Attributes:
        kind: ``abc``, ``text`` or ``midi``.
        tokens_per_unit: of the corpus; what makes nats a token into nats a character or event.
        step: updates that were made before.
        seconds_left: to the end, as promised; None if there was nothing to measure it by.
    """

    tokenizer: Tokenizer
    model: ModelConfig
    config: TrainingConfig
    kind: Kind
    parameters: int
    tokens: int
    tokens_per_unit: float
    steps_per_epoch: int
    step: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Stepped:
    """After an update; ``step`` counts from 1.

    Attributes:
        loss_nats: a token, before the update; not finite if the update was left out.
        gradient_norm: before clipping.
        seconds_left: to the end at the pace of now; None if it is not known yet.
    """

    step: int
    loss_nats: float
    gradient_norm: float
    learning_rate: float
    tokens_per_second: float
    seconds_left: float | None

    def measured(self) -> dict[str, float]:
        """What is worth writing down of it."""
        names = ("step", "loss_nats", "gradient_norm", "learning_rate", "tokens_per_second")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """After the whole validation part was scored."""

    step: int
    score: Score
    improved: bool
    weights: Weights = field(repr=False)


@dataclass(frozen=True, slots=True)
class Saved:
    """The file on disk can be sampled from, and gone on with."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event.

    Attributes:
        interrupted: stopped by request before its end.
        early: stopped because validation no longer improved.
        best: metrics of the weights in the file.
    """

    step: int
    interrupted: bool
    early: bool
    best: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should know."""

    message: str


@dataclass(frozen=True, slots=True)
class Recounted:
    """From now on the run has another number of updates, so as to end when it was promised."""

    steps: int


Event = Started | Recounted | Stepped | Evaluated | Saved | Noted | Ended
