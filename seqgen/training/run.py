"""A training run from corpus to model file, as a sequence of events.

The caller draws the events as it likes; whenever it stops asking for the next one, nothing is lost
but what came since the last save.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqgen import __version__, checkpoint
from seqgen.checkpoint import Card
from seqgen.config import ModelConfig, TrainingConfig, to_json
from seqgen.corpus.documents import UNITS, Corpus, Kind
from seqgen.errors import CheckpointError, TrainingError
from seqgen.files import require_folder
from seqgen.models import parameters
from seqgen.tokenization import Tokenizer
from seqgen.training import compute
from seqgen.training.budget import choose_steps, out_of_memory
from seqgen.training.data import Data
from seqgen.training.events import Ended, Evaluated, Event, Noted, Saved, Started, Stepped
from seqgen.training.metrics import MetricsFile, metrics_path
from seqgen.training.plan import Wishes, plan_model, plan_training
from seqgen.training.schedule import rate_at
from seqgen.training.tensorboard import EventFiles
from seqgen.training.trainer import Trainer

__all__ = ["Run"]

MAX_BAD_UPDATES = 5
METRICS_LINES = 1000  # about how many updates of a run are written down
SAVE_SECONDS = 60.0  # a run that is killed loses no more than this
GOING_ON_RATE = 0.3  # of the usual peak: a finished model is to be taught, not shaken


class Run:
    """One run: what it learns from, what it learns, where it stands.

    Args:
        data: the two parts of the corpus as the network takes them.
        tokenizer: what made them so.
        model, config: see seqgen.config.
        output: the model file.
        kind: ``abc``, ``text`` or ``midi``.
        description: what goes into the model file about the corpus.
        resumable: what must be known to load the same corpus again.
        start: a finished model to begin at.

    Attributes:
        log_dir: where event files for TensorBoard go; None writes none.
    """

    log_dir: Path | None = None

    def __init__(
        self,
        data: Data,
        tokenizer: Tokenizer,
        model: ModelConfig,
        config: TrainingConfig,
        output: Path,
        *,
        kind: Kind,
        description: dict[str, Any],
        resumable: dict[str, Any],
        start: checkpoint.Checkpoint | None = None,
    ) -> None:
        self.kind = kind
        self.tokenizer, self.model, self.config, self.output = tokenizer, model, config, output
        self.description, self.resumable = description, resumable
        self.batches = data.batches(model, config)
        self.rows = data.rows(model)
        self.trainer = Trainer(model, config, start.weights if start else None)
        self.goes_on = start is not None
        self.records: list[MetricsFile | EventFiles] = []
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
        tokenizer: Tokenizer,
        wishes: Wishes,
        output: Path,
        *,
        description: dict[str, Any],
        resumable: dict[str, Any],
        start: checkpoint.Checkpoint | None = None,
    ) -> Run:
        """A new run as the user wishes it, or one that takes over a finished model's weights.

        The tokenizer is learnt from the training part, or the finished model's.
        """
        data = Data(training, validation, tokenizer)
        if start:
            model = start.card.model
        else:
            model = plan_model(wishes, vocabulary=tokenizer.size, tokens=data.tokens)
        began = time.perf_counter()
        chosen = compute.usual(wishes.compute)

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

        trial = recipe(wishes.steps or 1000, 1)
        budget_seconds = wishes.budget_seconds if wishes.steps is None else None
        if wishes.compute is None and compute.is_long(model, trial, budget_seconds):
            chosen = compute.choose(model, trial, data.batches(model, trial))
            trial = recipe(trial.steps, 1)
        if wishes.steps is None:
            steps, evaluations = choose_steps(
                Trainer(model, trial),
                data.batches(model, trial),
                data.rows(model),
                wishes.budget_seconds - (time.perf_counter() - began),
            )
        else:
            steps, evaluations = wishes.steps, min(wishes.steps, 10)
        return cls(
            data,
            tokenizer,
            model,
            recipe(steps, evaluations),
            output,
            kind=training.kind,
            description=description,
            resumable=resumable,
            start=start,
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
        card, progress = saved.card, saved.card.progress or {}
        data = Data(training, validation, card.tokenizer)
        try:
            run = cls(
                data,
                card.tokenizer,
                card.model,
                config,
                saved.path,
                kind=training.kind,
                description=card.corpus,
                resumable=progress["corpus"],
            )
            run.trainer.import_memory(memory)
            run.step = int(progress["step"])
            run.seconds = float(progress["seconds"])
            run.without_improvement = int(progress["without_improvement"])
            if progress.get("log_dir") is not None:
                run.log_dir = Path(progress["log_dir"])
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{saved.path}: what training keeps in it is damaged ({error}); "
                "--force starts afresh"
            ) from error
        run.best, run.best_weights, run.created = card.metrics, saved.weights, card.created
        run.best_nats = card.metrics.get(f"nats_per_{UNITS[run.kind]}", math.inf)
        return run

    def events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Train to the end, or until ``stop`` says so after an update.

        Raises:
            TrainingError: the loss or the gradient is not finite, again and again.
            OutputError: the model file can't be written.
        """
        require_folder(self.output)
        anew = self.step == 0 and not self.goes_on
        with contextlib.ExitStack() as opened:
            keep = None if anew else self.step or sys.maxsize
            metrics = MetricsFile(metrics_path(self.output), after_step=keep)
            self.records = [opened.enter_context(contextlib.closing(metrics))]
            if self.log_dir is not None:
                files = EventFiles(self.log_dir, first_step=self.step + 1 if self.step else 0)
                self.records.append(opened.enter_context(contextlib.closing(files)))
            try:
                yield from self._events(stop)
            except (tf.errors.ResourceExhaustedError, MemoryError) as error:
                raise out_of_memory(self.config) from error

    def _events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        config = self.config
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
        saved_at = time.perf_counter()
        bad_updates = 0
        early = False
        noted: set[str] = set()
        if self.goes_on and self.step == 0:
            yield self._evaluate()  # what it can already is what has to be improved on
        while self.step < config.steps and not early:
            at = time.perf_counter()
            update = self.trainer.update(self.batches[self.step], self.step)
            bad_updates = 0 if update.applied else bad_updates + 1
            if bad_updates == MAX_BAD_UPDATES:
                raise TrainingError(
                    f"the loss is no longer a number at step {self.step + 1}; what was saved last "
                    f"is kept; try a lower --learning-rate than {config.learning_rate:g} or a "
                    f"lower {'--clip-norm' if config.clip_value is None else '--clip-value'}"
                )
            stepped = Stepped(
                self.step + 1,
                update.loss_nats,
                update.gradient_norm,
                rate_at(self.step, config.steps, config.learning_rate, config.warmup_steps),
                config.tokens_per_update / (time.perf_counter() - at),
            )
            self.step += 1
            self.seconds = time.perf_counter() - began
            if self.step % max(1, config.steps // METRICS_LINES) == 0:
                self._write_down(dataclasses.asdict(stepped))
            yield stepped

            last = self.step == config.steps
            if not update.applied and not last:
                continue  # neither judged nor saved while something is wrong
            if self.step % config.evaluate_every == 0 or last:
                yield self._evaluate()
                early = self.without_improvement >= config.patience
            self.seconds = time.perf_counter() - began
            problems = {record.problem for record in self.records if record.problem} - noted
            yield from map(Noted, sorted(problems))
            noted |= problems
            if last or early:
                break
            stopping = stop()
            overdue = time.perf_counter() - saved_at > SAVE_SECONDS
            if self.step % config.checkpoint_every == 0 or overdue or stopping:
                self._save(finished=False)
                saved_at = time.perf_counter()
                yield Saved(self.step, self.output)
            if stopping:
                yield Ended(self.step, True, False, self.best, self.seconds)
                return
        self._save(finished=True)
        yield Saved(self.step, self.output)
        yield Ended(self.step, False, early, self.best, self.seconds)

    def _evaluate(self) -> Evaluated:
        score = self.rows.score(self.trainer.loss_sum)
        weights = self.trainer.export_weights()
        improved = score.nats_per_unit < self.best_nats
        self.without_improvement = 0 if improved else self.without_improvement + 1
        values = {
            "step": self.step,
            f"nats_per_{score.unit}": score.nats_per_unit,
            f"bits_per_{score.unit}": score.bits_per_unit,
            "nats_per_token": score.nats / score.tokens,
        }
        if improved:
            self.best_nats, self.best, self.best_weights = score.nats_per_unit, values, weights
        self._write_down(values)
        return Evaluated(self.step, score, improved, weights)

    def _write_down(self, values: dict[str, Any]) -> None:
        for record in self.records:
            record.write({**values, "seconds": round(self.seconds, 3)})

    def _save(self, *, finished: bool) -> None:
        progress = None
        if not finished:
            progress = {
                "step": self.step,
                "seconds": self.seconds,
                "without_improvement": self.without_improvement,
                "corpus": self.resumable,
                "log_dir": None if self.log_dir is None else str(self.log_dir),
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


def _versions() -> dict[str, str]:
    versions = {"seqgen": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("tensorflow", "keras"):
        versions[name] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return versions
