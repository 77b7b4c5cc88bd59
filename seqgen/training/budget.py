"""A budget of time into a number of updates: counted before the run begins, and mended on the way.

The budget runs from the moment the user asked until the model file is whole: start-up, measuring,
updates, evaluations, what is shown at them, and saves. What is past when the steps are counted is
known; what is to come is measured with the trainer that the run will use, so that nothing is
compiled twice. But a few seconds don't tell how fast a machine will be for minutes, so they are
counted again: first while the learning rate is level, when no update has depended on how many there
will be, then while it falls, which it does sooner or later from there on.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqgen.errors import TrainingError
from seqgen.training.schedule import evaluations_after
from seqgen.training.stopwatch import BUSY, processor_seconds, share_waited

if TYPE_CHECKING:
    from seqgen.config import TrainingConfig
    from seqgen.training.batches import Batches
    from seqgen.training.trainer import Trainer
    from seqgen.training.validation import ValidationRows

__all__ = ["RECOUNTED_SHARES", "SAVE_SECONDS", "Budget", "Costs", "Pace", "measure"]

MAX_EVALUATIONS = 12
MIN_EVALUATIONS = 3
EVALUATION_SHARE = 0.12  # of the time, at most, is spent on evaluations
MEASURED_SHARE = 0.04  # of the budget goes into measuring updates, and as much at most
MEASURED_SECONDS = 6.0  # at most, and again at most for an evaluation
SETTLING_UPDATES = 2  # after the first, which compiles, at least
# And at least so long, or as small a share of the budget: for its first one or two seconds a
# machine that has stood idle is up to a quarter faster, or slower, than it will be.
SETTLING_SECONDS, SETTLING_SHARE = 1.5, 0.025
MEASURED_UPDATES = 5  # at least
RESERVE = 0.01  # of the whole, kept back: a machine slows down when it works for long
# After these shares of the updates they are counted again: first while the rate is level (LEVEL in
# schedule.py), and will have been so even if an eighth of them goes. Less is kept back then.
RECOUNTED_SHARES = 0.35, 0.6, 0.8, 0.9
RECOUNTED_RESERVE = 0.005
WORTH = 0.01  # of the whole: a smaller gap is none
SAVE_SECONDS = 60.0  # a run that is killed loses no more than this
RECENT = 0.98  # of the seconds an update takes, kept from those before

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that the parts of a run take.

    Attributes:
        update: learning from one batch.
        evaluation: scoring the validation part, and what is shown of it.
        save: copying the weights and writing the model file.
    """

    update: float
    evaluation: float
    save: float

    def total(self, updates: int, evaluations: int) -> float:
        """Seconds of a run, or of what is left of one; each evaluation is followed by a save."""
        seconds = updates * self.update + evaluations * (self.evaluation + self.save)
        overdue = max(0, int(seconds / SAVE_SECONDS) - evaluations)
        return seconds + overdue * self.save

    def fit(self, seconds: float) -> tuple[int, int] | None:
        """The most updates, and evaluations, for a time; None if there is none for one of each."""
        each = self.evaluation + self.save
        wanted = max(int(EVALUATION_SHARE * seconds / each), MIN_EVALUATIONS)
        evaluations = max(1, min(wanted, MAX_EVALUATIONS, int(seconds / 2 / each)))
        steps = self.updates(seconds, evaluations)
        return (steps, min(steps, evaluations)) if steps > 0 else None

    def updates(self, seconds: float, evaluations: int) -> int:
        """The most updates for a time beside so many evaluations; 0 or less if there are none."""
        steps = int((seconds - self.total(0, evaluations)) / self.update)
        while steps > 0 and (over := self.total(steps, evaluations) - seconds) > 0:
            steps -= math.ceil(over / self.update)
        return steps


@dataclass(frozen=True, slots=True)
class Budget:
    """A promised time.

    Attributes:
        seconds: of the whole command.
        began: when they began to run, by ``clock``.
        show_seconds: that whoever draws the run takes at each evaluation.
        worked: tells the seconds of processor that the command has had.
    """

    seconds: float
    began: float
    show_seconds: float = 0.0
    clock: Clock = time.perf_counter
    worked: Clock = processor_seconds

    @property
    def left(self) -> float:
        """Seconds that are still to come."""
        return self.seconds - (self.clock() - self.began)

    def steps(self, costs: Costs) -> tuple[int, int]:
        """How many updates and evaluations fit into what is left.

        Raises:
            TrainingError: not one of each.
        """
        fitting = costs.fit(self.left - RESERVE * self.seconds)
        if fitting is None:
            past = self.seconds - self.left
            least = math.ceil(1.5 * (past + costs.total(1, 1)))
            waited = share_waited(past, self.worked())
            what = f"a budget of {self.seconds:g} s is too small for one update and one evaluation"
            if waited > BUSY and (1.0 - waited) * least < self.seconds:
                raise TrainingError(
                    f"{what} on a machine this busy: for {waited:.0%} of the {past:.0f} s so far "
                    "other programs, the disk or the network were in the way; try again when it "
                    f"is free, or allow at least {least} s"
                )
            raise TrainingError(
                f"{what} here; allow at least {least} s, or choose a smaller network with --hidden"
            )
        return fitting

    def mend(
        self, config: TrainingConfig, pace: Pace, step: int, seconds: float
    ) -> TrainingConfig | None:
        """The run with another number of updates, when it is time to count them again and if it
        would miss its end with those it has.

        Args:
            pace: of the run, which is told.
            step: updates that were made, in so many ``seconds`` with all that came between them.
        """
        if step == 0 or step < pace.next_share * config.steps:
            return None
        left = self.left - RECOUNTED_RESERVE * self.seconds
        steps, update = pace.recount(step, seconds, left)
        if abs(steps - config.steps) * update < WORTH * self.seconds:
            steps = config.steps
        pace.counted(step, steps)
        return None if steps == config.steps else dataclasses.replace(config, steps=steps)


def measure(
    trainer: Trainer,
    batches: Batches,
    rows: ValidationRows,
    save: Callable[[], None],
    budget: Budget,
) -> Costs:
    """What the parts of a run take, by trying a few; the trainer is as before afterwards.

    Args:
        save: does what a run does to save.
    """
    clock = budget.clock
    memory = trainer.export_memory()
    trainer.update(batches[0], 0)
    settling = min(SETTLING_SECONDS, SETTLING_SHARE * budget.seconds)
    updates, began = 0, clock()
    while updates < SETTLING_UPDATES or (clock() - began < settling and budget.left > 0):
        updates += 1
        trainer.update(batches[updates], updates)
    enough = min(MEASURED_SECONDS, MEASURED_SHARE * budget.seconds)
    updates, began = 0, clock()
    while updates < MEASURED_UPDATES or (clock() - began < enough and budget.left > 0):
        trainer.update(batches[updates], updates)
        updates += 1
    update = (clock() - began) / updates

    rows.score(trainer.loss_sum, batches_at_most=1)  # compiles
    began = clock()
    rows.score(trainer.loss_sum, batches_at_most=1)
    one = clock() - began
    several = max(1, min(rows.batches, int(enough / max(one, 1e-9))))
    began = clock()
    rows.score(trainer.loss_sum, batches_at_most=several)
    evaluation = (clock() - began) / several * rows.batches

    began = clock()
    save()
    saving = clock() - began
    trainer.import_memory(memory)
    return Costs(update, evaluation + budget.show_seconds, saving)


class Pace:
    """How long the rest of a run will take, by how it goes.

    Args:
        config: of the run.
        costs: as measured before it; None if they were not.
    """

    def __init__(self, config: TrainingConfig, costs: Costs | None) -> None:
        self.steps, self._every = config.steps, config.evaluate_every
        # Where the user has said how often to save, that is not after evaluations.
        beside = config.checkpoint_every != config.evaluate_every
        self._saved_every = config.checkpoint_every if beside else 0
        self._known = costs is not None
        self._update, self._evaluation, self._save = (
            (costs.update, costs.evaluation, costs.save) if costs else (0.0, 0.0, 0.0)
        )
        # Where nothing was measured, the first update compiles and tells nothing.
        self._updates = 0 if costs is None else int(1 / (1 - RECENT))
        self._evaluations: list[float] = []
        self._beside = 0.0  # seconds of evaluations and saves
        self._counts = [(0, 0.0)]  # updates and their seconds whenever they were counted
        self._shares = list(RECOUNTED_SHARES)

    def updated(self, seconds: float) -> None:
        """An update took so long."""
        self._updates += 1
        if self._updates > 1:
            self._known = True
            keep = min(RECENT, 1 - 1 / (self._updates - 1))
            self._update = keep * self._update + (1 - keep) * seconds

    def evaluated(self, seconds: float) -> None:
        """An evaluation took so long, with what was shown of it."""
        self._evaluation = seconds
        self._evaluations.append(seconds)
        self._beside += seconds

    def saved(self, seconds: float) -> None:
        """A save took so long."""
        self._save = seconds
        self._beside += seconds

    def left(self, step: int) -> float | None:
        """Seconds from the end of update ``step``, counted from 1, to that of the run.

        None if they are not known yet. The evaluation that may follow the update is among them.
        """
        if not self._known:
            return None
        evaluations = evaluations_after(max(0, step - 1), self.steps, self._every)
        costs = Costs(self._update, self._evaluation, self._save)
        return costs.total(self.steps - step, evaluations)

    @property
    def next_share(self) -> float:
        """The share of the updates after which they are counted again; infinite if they are not."""
        return self._shares[0] if self._shares else math.inf

    def recount(self, step: int, seconds: float, left: float) -> tuple[int, float]:
        """How many updates there should be for the run to end in ``left`` seconds, and how many
        seconds one takes.

        That is the mean of what it took on average, and since the last time: a machine's speed
        moves about its mean, which moves too. What is still to come becomes half as much at least,
        and twice as much at most: a machine that was stopped for a while is as fast as before.

        Args:
            seconds: that ``step`` updates have taken, with all that came between them.
        """
        updating, (step_before, before) = seconds - self._beside, self._counts[-1]
        self._counts.append((step, updating))
        update = (updating / step + (updating - before) / (step - step_before)) / 2.0
        evaluation = self._evaluation
        if self._evaluations:
            evaluation = sum(self._evaluations) / len(self._evaluations)
        of_saves = self._save / self._saved_every if self._saved_every else 0.0
        costs = Costs(update + of_saves, evaluation, self._save)
        rest = self.steps - step
        steps = self.steps
        for _ in range(3):  # when the end is decides whether one more evaluation comes before it
            more = costs.updates(left, evaluations_after(step, steps, self._every))
            steps = step + min(max(more, -(-rest // 2)), 2 * rest)
        return steps, costs.update

    def counted(self, step: int, steps: int) -> None:
        """After update ``step`` the run is to have so many in all."""
        self.steps = steps
        self._shares = [share for share in self._shares[1:] if share * steps > step]
