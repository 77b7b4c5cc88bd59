"""What a run tells as it goes; whoever runs it draws these as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.models.parameters import Weights
from seqgen.tokenization import Tokenizer
from seqgen.training.validation import Score

__all__ = ["Ended", "Evaluated", "Event", "Noted", "Saved", "Started", "Stepped"]


@dataclass(frozen=True, slots=True)
class Started:
    """Before the first update."""

    tokenizer: Tokenizer
    model: ModelConfig
    config: TrainingConfig
    parameters: int
    tokens: int
    steps_per_epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """After an update; ``step`` counts from 1."""

    step: int
    loss_nats: float
    gradient_norm: float
    learning_rate: float
    tokens_per_second: float


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


Event = Started | Stepped | Evaluated | Saved | Noted | Ended
