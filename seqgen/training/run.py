"""A training run from corpus to model file, as a sequence of events.

The caller draws the events as it likes; whenever it stops asking for the next one, nothing is lost
but what came since the last save.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from seqgen import __version__, checkpoint
from seqgen.checkpoint import Card
from seqgen.config import ModelConfig, TrainingConfig, to_json
from seqgen.corpus.documents import Corpus
from seqgen.errors import CheckpointError, TrainingError
from seqgen.files import require_folder
from seqgen.models import parameters
from seqgen.models.parameters import Weights
from seqgen.tokenization import Scheme, Tokenizer
from seqgen.training.batches import Batches
from seqgen.training.budget import choose_steps
from seqgen.training.plan import Wishes, plan_model, plan_training
from seqgen.training.runtime import native_precision
from seqgen.training.schedule import rate_at
from seqgen.training.trainer import Trainer
from seqgen.training.validation import Score, ValidationRows

__all__ = [
    "Ended",
    "Evaluated",
    "Event",
    "Run",
    "Saved",
    "Started",
    "Stepped",
    "metrics_path",
]

MAX_BAD_UPDATES = 5
METRICS_LINES = 1000  # about how many updates of a run are written down


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


Event = Started | Stepped | Evaluated | Saved | Ended


def metrics_path(output: Path) -> Path:
    """Where a run writes its metrics, one JSON object a line."""
    return output.with_suffix(".jsonl")


class Run:
    """One run: what it learns from, what it learns, where it stands.

    Args:
        training, validation: the two parts of the corpus.
        tokenizer: learnt from the training part.
        model, config: see seqgen.config.
        output: the model file.
        description: what goes into the model file about the corpus.
        resumable: what must be known to load the same corpus again.
        weights: to begin with, None for fresh ones.
    """

    def __init__(
        self,
        training: Corpus,
        validation: Corpus,
        tokenizer: Tokenizer,
        model: ModelConfig,
        config: TrainingConfig,
        output: Path,
        *,
        description: dict[str, Any],
        resumable: dict[str, Any],
        weights: Weights | None = None,
    ) -> None:
        self.kind = training.kind
        self.tokenizer, self.model, self.config, self.output = tokenizer, model, config, output
        self.description, self.resumable = description, resumable
        self.batches = make_batches(training, tokenizer, model, config)
        self.rows = make_rows(validation, tokenizer, model)
        self.trainer = Trainer(model, config, weights)
        self.step = 0
        self.seconds = 0.0
        self.without_improvement = 0
        self.best_nats = math.inf
        self.best: dict[str, Any] = {}
        self.best_weights = self.trainer.export_weights()
        self.created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

    @classmethod
    def plan(
        cls,
        training: Corpus,
        validation: Corpus,
        scheme: Scheme,
        wishes: Wishes,
        output: Path,
        *,
        description: dict[str, Any],
        resumable: dict[str, Any],
        start: checkpoint.Checkpoint | None = None,
    ) -> Run:
        """A new run as the user wishes it, or one that takes over a finished model's weights."""
        if start:
            tokenizer, model = start.card.tokenizer, start.card.model
        else:
            tokenizer = Tokenizer.learn(scheme, (d.text for d in training.documents))
        tokens = sum(len(tokenizer.encode(d.text)) for d in training.documents)
        if not start:
            model = plan_model(wishes, vocabulary=tokenizer.size, tokens=tokens)
        precision = native_precision()

        def recipe(steps: int, evaluations: int) -> TrainingConfig:
            return plan_training(
                wishes, tokens=tokens, precision=precision, steps=steps, evaluations=evaluations
            )

        if wishes.steps is None:
            trial = recipe(1000, 1)
            steps, evaluations = choose_steps(
                Trainer(model, trial),
                make_batches(training, tokenizer, model, trial),
                make_rows(validation, tokenizer, model),
                wishes.budget_seconds,
            )
        else:
            steps, evaluations = wishes.steps, min(wishes.steps, 10)
        return cls(
            training,
            validation,
            tokenizer,
            model,
            recipe(steps, evaluations),
            output,
            description=description,
            resumable=resumable,
            weights=start.weights if start else None,
        )

    @classmethod
    def resume(
        cls,
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
        card, progress = saved.card, saved.card.progress
        assert progress is not None  # the caller saw that the run was interrupted
        run = cls(
            training,
            validation,
            card.tokenizer,
            card.model,
            config,
            saved.path,
            description=card.corpus,
            resumable=progress["corpus"],
        )
        try:
            run.trainer.import_memory(memory)
            run.step = int(progress["step"])
            run.seconds = float(progress["seconds"])
            run.without_improvement = int(progress["without_improvement"])
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{saved.path}: what training keeps in it is damaged ({error}); "
                "--force starts afresh"
            ) from error
        run.best, run.best_weights, run.created = card.metrics, saved.weights, card.created
        run.best_nats = card.metrics.get("nats_per_char", math.inf)
        return run

    def events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Train to the end, or until ``stop`` says so after an update.

        Raises:
            TrainingError: the loss or the gradient is not finite, again and again.
            OutputError: the model file can't be written.
        """
        config = self.config
        require_folder(self.output)
        mode = "a" if self.step else "w"
        with metrics_path(self.output).open(mode, encoding="utf-8") as metrics:
            yield Started(
                self.tokenizer,
                self.model,
                config,
                parameters.count(self.model),
                self.batches.tokens,
                self.batches.steps_per_epoch,
                self.step,
            )
            began = time.perf_counter() - self.seconds
            bad_updates = 0
            early = False
            while self.step < config.steps and not early:
                at = time.perf_counter()
                update = self.trainer.update(self.batches[self.step], self.step)
                bad_updates = 0 if update.applied else bad_updates + 1
                if bad_updates == MAX_BAD_UPDATES:
                    raise TrainingError(
                        f"the loss is no longer a number at step {self.step + 1}; the last good "
                        f"model is kept; try a lower --learning-rate than {config.learning_rate:g} "
                        "or a lower --clip-norm"
                    )
                stepped = Stepped(
                    self.step + 1,
                    update.loss_nats,
                    update.gradient_norm,
                    rate_at(self.step, config.steps, config.learning_rate, config.warmup_steps),
                    config.batch_size * config.seq_length / (time.perf_counter() - at),
                )
                self.step += 1
                self.seconds = time.perf_counter() - began
                if self.step % max(1, config.steps // METRICS_LINES) == 0:
                    self._write_down(metrics, dataclasses.asdict(stepped))
                yield stepped

                last = self.step == config.steps
                if not update.applied and not last:
                    continue  # neither judged nor saved while something is wrong
                if self.step % config.evaluate_every == 0 or last:
                    yield self._evaluate(metrics)
                    early = self.without_improvement >= config.patience
                self.seconds = time.perf_counter() - began
                if last or early:
                    break
                stopping = stop()
                if self.step % config.checkpoint_every == 0 or stopping:
                    self._save(finished=False)
                    yield Saved(self.step, self.output)
                if stopping:
                    yield Ended(self.step, True, False, self.best, self.seconds)
                    return
            self._save(finished=True)
            yield Saved(self.step, self.output)
            yield Ended(self.step, False, early, self.best, self.seconds)

    def _evaluate(self, metrics: IO[str]) -> Evaluated:
        score = self.rows.score(self.trainer.loss_sum)
        weights = self.trainer.export_weights()
        improved = score.nats_per_char < self.best_nats
        self.without_improvement = 0 if improved else self.without_improvement + 1
        values = {
            "step": self.step,
            "nats_per_char": score.nats_per_char,
            "bits_per_char": score.bits_per_char,
            "nats_per_token": score.nats / score.tokens,
        }
        if improved:
            self.best_nats, self.best, self.best_weights = score.nats_per_char, values, weights
        self._write_down(metrics, values)
        return Evaluated(self.step, score, improved, weights)

    def _write_down(self, metrics: IO[str], values: dict[str, Any]) -> None:
        # allow_nan: a line about a bad update is worth more than strict JSON.
        line = {**values, "seconds": round(self.seconds, 3)}
        print(json.dumps(line), file=metrics, flush=True)

    def _save(self, *, finished: bool) -> None:
        progress = None
        if not finished:
            progress = {
                "step": self.step,
                "seconds": self.seconds,
                "without_improvement": self.without_improvement,
                "corpus": self.resumable,
            }
        if not self.best:  # interrupted before the first evaluation
            self.best_weights = self.trainer.export_weights()
        card = Card(
            model=self.model,
            tokenizer=self.tokenizer,
            kind=self.kind,
            corpus=self.description,
            recipe=to_json(self.config),
            metrics=self.best,
            versions=_versions(),
            created=self.created,
            progress=progress,
        )
        memory = None if finished else self.trainer.export_memory()
        checkpoint.save(self.output, card, self.best_weights, memory)


def make_batches(
    corpus: Corpus, tokenizer: Tokenizer, model: ModelConfig, config: TrainingConfig
) -> Batches:
    """The batches of a run; a recurrent network carries its state from one to the next."""
    return Batches(
        [tokenizer.encode(document.text) for document in corpus.documents],
        batch_size=config.batch_size,
        seq_length=config.seq_length,
        seed=config.seed,
        carried=model.arch == "lstm",
    )


def make_rows(corpus: Corpus, tokenizer: Tokenizer, model: ModelConfig) -> ValidationRows:
    """The validation part in rows as long as the network can use."""
    # A recurrent network reads on for ever; attention reaches as far as it was trained to.
    length = model.context if model.arch == "transformer" else 1024
    return ValidationRows(
        [tokenizer.encode(document.text) for document in corpus.documents],
        characters=corpus.characters,
        length=length,
        context=min(128, length // 2),
        closed=corpus.kind == "abc",
    )


def _versions() -> dict[str, str]:
    versions = {"seqgen": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("tensorflow", "keras"):
        versions[name] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return versions
