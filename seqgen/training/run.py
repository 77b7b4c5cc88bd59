"""A training run from corpus to model file, as a sequence of events.

The caller draws the events as it likes; whenever it stops asking for the next one, nothing is lost
but what came since the last save.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seqgen import checkpoint
from seqgen.config import ModelConfig, TrainingConfig
from seqgen.corpus.documents import Kind
from seqgen.corpus.runs import RunIndex
from seqgen.errors import OutputError, TrainingError
from seqgen.files import require_folder
from seqgen.models import parameters
from seqgen.tokenization import Tokenizer
from seqgen.training import saving
from seqgen.training.budget import SAVE_SECONDS, Budget, Costs, Pace
from seqgen.training.data import Data
from seqgen.training.events import (
    Ended,
    Evaluated,
    Event,
    Noted,
    Recounted,
    Saved,
    Started,
    Stepped,
)
from seqgen.training.memory import explained, require_memory
from seqgen.training.metrics import MetricsFile, metrics_path
from seqgen.training.recovery import BAD_UPDATES, RETURNS, Recovery
from seqgen.training.schedule import is_evaluated, rate_at
from seqgen.training.stopwatch import Stopwatch
from seqgen.training.tensorboard import EventFiles
from seqgen.training.trainer import Trainer

__all__ = ["Run"]

RETRY_SECONDS = 10.0  # after a save that could not be made; the next may be due at every update
METRICS_LINES = 1000  # about how many updates of a run are written down


class _StoppedError(Exception):
    """An evaluation was broken off."""


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
        index: which runs the corpus holds, for the model file.

    Attributes:
        log_dir: where event files for TensorBoard go; None writes none.
        owes_evaluation: whether one is due before the next update, since a request to stop broke it
            off, or since a finished model is to be improved on.
        saved: whether the model file holds an earlier state of the run.
    """

    log_dir: Path | None = None
    saved = False

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
        index: Sequence[RunIndex] = (),
    ) -> None:
        require_memory(model, config)
        self.kind = kind
        self.tokenizer, self.model, self.config, self.output = tokenizer, model, config, output
        self.description, self.resumable, self.index = description, resumable, index
        self.batches = data.batches(model, config)
        self.rows = data.rows(model)
        self.tokens_per_unit = data.tokens_per_unit
        with explained(config):
            self.trainer = Trainer(model, config, start.weights if start else None)
        self.recovery = Recovery(self.trainer.export_memory())
        self.costs: Costs | None = None
        self.budget: Budget | None = None
        self.goes_on = self.owes_evaluation = start is not None
        self.records: list[MetricsFile | EventFiles] = []
        self.step = 0
        self.watch = Stopwatch()
        self.seconds = 0.0
        self.without_improvement = 0
        self.best_nats = math.inf
        self.best: dict[str, Any] = {}
        self.best_weights = self.trainer.export_weights()
        self.created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

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
            opened.enter_context(explained(self.config))
            for event in self._events(stop):
                self.watch.pause()  # what is shown is no training
                yield event
                self.watch.go()

    def _events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        pace = Pace(self.config, self.costs)
        yield Started(
            self.tokenizer,
            self.model,
            self.config,
            self.kind,
            parameters.count(self.model),
            self.batches.tokens,
            self.tokens_per_unit,
            self.batches.steps_per_epoch,
            self.step,
            self.budget.left if self.budget else None,
        )
        self.watch = Stopwatch(self.seconds)
        began = tried_at = time.perf_counter()  # to save
        not_before = 0.0
        early = False
        noted: set[str] = set()
        while self.owes_evaluation or (self.step < self.config.steps and not early):
            wrong = False
            if not self.owes_evaluation:
                at = time.perf_counter()
                if self._mend(pace, at - began):
                    yield Recounted(self.config.steps)
                stepped, applied = self._update(pace)
                yield stepped
                pace.updated(time.perf_counter() - at)
                if self.recovery.goes_back(applied=applied):
                    yield self._go_back()
                last = self.step == self.config.steps
                wrong = not applied and not last  # neither judged nor saved, unless it must be
                due = is_evaluated(self.step, self.config.steps, self.config.evaluate_every)
                self.owes_evaluation = due and not wrong
            if self.owes_evaluation:
                at = time.perf_counter()
                if evaluated := self._evaluate(stop):
                    self.owes_evaluation = False
                    yield evaluated
                    pace.evaluated(time.perf_counter() - at)
                    early = self.without_improvement >= self.config.patience
            self.seconds = self.watch.seconds
            problems = {record.problem for record in self.records if record.problem} - noted
            yield from map(Noted, sorted(problems))
            noted |= problems
            if early or (self.step == self.config.steps and not self.owes_evaluation):
                break
            if stop():
                if self.step:  # else the model that is to be taught is as it was
                    yield saving.save_and_leave(self)
                yield Ended(self.step, True, False, self.best, self.seconds)
                return
            if wrong or self.step == 0:
                continue
            at = time.perf_counter()
            overdue = at - tried_at > SAVE_SECONDS
            if (self.step % self.config.checkpoint_every == 0 and at >= not_before) or overdue:
                tried = saving.try_to_save(self)
                tried_at = time.perf_counter()
                pace.saved(tried_at - at)
                not_before = tried_at + RETRY_SECONDS if isinstance(tried, Noted) else 0.0
                yield tried
        yield from self._finish(early)

    def _mend(self, pace: Pace, seconds: float) -> bool:
        """Whether the number of updates was changed, for the run to end in time."""
        if self.budget is None:
            return False
        mended = self.budget.mend(self.config, pace, self.step, seconds)
        if mended is not None:
            self.config = self.trainer.config = mended
        return mended is not None

    def _finish(self, early: bool) -> Iterator[Event]:
        try:
            saving.save(self, self.output, finished=True)
        except OutputError as error:
            if not self.saved:
                raise
            raise OutputError(
                f"{error}; what was saved before is kept, and seqgen train --resume goes on from it"
            ) from error
        self.seconds = self.watch.seconds
        yield Saved(self.step, self.output)
        yield Ended(self.step, False, early, self.best, self.seconds)

    def _update(self, pace: Pace) -> tuple[Stepped, bool]:
        """Make the next update; what it showed, and whether it was applied."""
        config, recovery = self.config, self.recovery
        at = time.perf_counter()
        scale = recovery.rate_scale
        update = self.trainer.update(
            recovery.batch(self.batches, self.step), self.step, rate_scale=scale
        )
        rate = rate_at(self.step, config.steps, config.learning_rate, config.warmup_steps)
        self.step += 1
        stepped = Stepped(
            self.step,
            update.loss_nats,
            update.gradient_norm,
            rate * scale,
            config.tokens_per_update / (time.perf_counter() - at),
            pace.left(self.step),
        )
        self.seconds = self.watch.seconds
        if self.step % max(1, config.steps // METRICS_LINES) == 0:
            self._write_down(stepped.measured())
        return stepped, update.applied

    def _go_back(self) -> Noted:
        """To the last good state, unless that has not helped.

        Raises:
            TrainingError: it has not.
        """
        config, recovery = self.config, self.recovery
        if recovery.exhausted:
            lower = "--clip-norm" if config.clip_value is None else "--clip-value"
            raise TrainingError(
                f"the loss is no longer a number at step {self.step}, though training went back "
                f"{RETURNS} times to a good state at half the rate; what was saved last is kept; "
                f"try a lower --learning-rate than {config.learning_rate:g} or a lower {lower}"
            )
        self.trainer.import_memory(recovery.memory)
        return Noted(
            f"step {self.step:,}: {BAD_UPDATES} updates in a row were not finite and were left "
            f"out; going on from the weights of step {recovery.step:,} at "
            f"{recovery.rate_scale:g} times the rate"
        )

    def _evaluate(self, stop: Callable[[], bool]) -> Evaluated | None:
        """Score the validation part; None if a request to stop came before its end."""

        def loss_sum(*rows: Any) -> float:
            if stop():
                raise _StoppedError
            return self.trainer.loss_sum(*rows)

        try:
            score = self.rows.score(loss_sum)
        except _StoppedError:
            return None
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
        if math.isfinite(score.nats):
            self.recovery.keep(self.trainer.export_memory(), self.step)
        return Evaluated(self.step, score, improved, weights)

    def _write_down(self, values: dict[str, Any]) -> None:
        for record in self.records:
            record.write({**values, "seconds": round(self.seconds, 3)})
