"""The arithmetic of a budget, with a clock that only moves when something is done."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from seqgen.config import TrainingConfig
from seqgen.errors import TrainingError
from seqgen.training.budget import (
    RECOUNTED_RESERVE,
    RECOUNTED_SHARES,
    RESERVE,
    Budget,
    Costs,
    Pace,
    measure,
)
from seqgen.training.plan import Wishes, plan_training
from seqgen.training.schedule import evaluations_after, is_evaluated, rate_at
from seqgen.training.stopwatch import Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine:
    """A trainer, its rows and its saves, each of which takes a known time, the first ones more."""

    def __init__(self, clock: Clock, costs: Costs, *, batches: int = 10) -> None:
        self.clock, self.costs, self.batches = clock, costs, batches
        self.compiled: set[str] = set()
        self.memory = "fresh"

    def spend(self, what: str, seconds: float) -> None:
        self.clock.now += seconds if what in self.compiled else seconds + 7.0
        self.compiled.add(what)

    def update(self, _batch: int, _step: int) -> None:
        self.memory = "used"
        self.spend("update", self.costs.update)

    def score(self, _loss_sum: object, *, batches_at_most: int | None = None) -> None:
        batches = batches_at_most or self.batches
        self.spend("score", self.costs.evaluation * batches / self.batches)

    def loss_sum(self) -> None:
        raise AssertionError("only passed on")

    def export_memory(self) -> str:
        return self.memory

    def import_memory(self, memory: str) -> None:
        self.memory = memory

    def save(self) -> None:
        self.clock.now += self.costs.save


COSTS = [
    Costs(0.03, 2.0, 0.2),  # a small Transformer
    Costs(0.5, 5.0, 1.5),  # a large network
    Costs(0.002, 0.05, 0.01),  # a tiny one
    Costs(0.05, 15.0, 0.1),  # a large validation part
]


@pytest.mark.parametrize("seconds", [60.0, 300.0, 3600.0])
@pytest.mark.parametrize("costs", COSTS)
def test_a_run_ends_when_it_was_promised(costs: Costs, seconds: float) -> None:
    clock = Clock()
    began = clock.now
    clock.now += 6.5  # start-up
    machine: Any = Machine(clock, costs)
    budget = Budget(seconds, began, show_seconds=0.4, clock=clock)
    measured = measure(machine, range(10_000), machine, machine.save, budget)  # type: ignore[arg-type]
    assert machine.memory == "fresh"
    assert measured.update == pytest.approx(costs.update)
    assert measured.evaluation == pytest.approx(costs.evaluation + 0.4)
    assert measured.save == pytest.approx(costs.save)
    spent = clock.now - began
    # Compiling aside, which is not done again, measuring takes little.
    assert spent - 6.5 - 14 < 0.04 * seconds + 10 * costs.update + 1.3 * costs.evaluation + 3

    steps, evaluations = budget.steps(measured)
    every = -(-steps // evaluations)
    saved_at = clock.now
    for step in range(1, steps + 1):
        machine.update(step, step)
        if step % every == 0 or step == steps:
            machine.score(None)
            clock.now += 0.4
        if step % every == 0 or step == steps or clock.now - saved_at > 60:
            machine.save()
            saved_at = clock.now
    kept_back = RESERVE * seconds  # this machine loses nothing by working for long
    assert clock.now - began == pytest.approx(seconds - kept_back, rel=0.01, abs=costs.update)
    assert 1 <= evaluations <= 12


def test_the_first_second_after_compiling_is_not_what_is_measured() -> None:
    class Fresh(Machine):
        def update(self, batch: int, step: int) -> None:
            hurry = 0.75 if self.clock.now < 1.0 + 7.0 else 1.0
            self.spend("update", hurry * self.costs.update)

    clock = Clock()
    clock.now = 0.0
    machine: Any = Fresh(clock, Costs(0.02, 1.0, 0.1))
    budget = Budget(60.0, clock.now, clock=clock)
    measured = measure(machine, range(10_000), machine, machine.save, budget)  # type: ignore[arg-type]
    assert measured.update == pytest.approx(0.02)


def test_evaluations_are_few_enough_to_leave_time_for_learning() -> None:
    steps, evaluations = Costs(0.1, 10.0, 0.0).fit(100.0) or (0, 0)
    assert (steps, evaluations) == (700, 3)
    assert Costs(0.1, 30.0, 0.0).fit(100.0) == (700, 1)
    assert Costs(0.1, 0.01, 0.0).fit(100.0) == (998, 12)
    assert Costs(1.0, 0.01, 0.0).fit(3.0) == (2, 2)  # never more than there are steps
    assert Costs(1.0, 99.5, 0.0).fit(100.0) is None
    assert Costs(1.0, 1.0, 0.0).fit(-5.0) is None


def test_a_budget_too_small_says_what_would_do() -> None:
    clock = Clock()
    budget = Budget(20.0, clock.now, clock=clock, worked=lambda: 17.0)
    clock.now += 18.0
    with pytest.raises(TrainingError, match=r"a budget of 20 s .* allow at least 33 s.* --hidden"):
        budget.steps(Costs(1.0, 2.5, 0.5))


def test_a_budget_that_others_have_used_up_says_so() -> None:
    """On a machine with other work to do a smaller network would not help."""
    clock = Clock()
    budget = Budget(60.0, clock.now, clock=clock, worked=lambda: 13.0)
    clock.now += 65.0
    with pytest.raises(TrainingError, match=r"this busy: for 80% of the 65 s .* least 104 s$"):
        budget.steps(Costs(1.0, 2.5, 0.5))
    # But what would be too small on a free machine too is too small.
    tiny = Budget(10.0, budget.began, clock=clock, worked=lambda: 13.0)
    with pytest.raises(TrainingError, match="--hidden"):
        tiny.steps(Costs(1.0, 2.5, 0.5))


def test_the_time_left_follows_what_happens() -> None:
    pace = Pace(config_of(100, 10), Costs(1.0, 5.0, 1.0))
    assert pace.left(0) == 160
    assert pace.left(10) == 150  # with the evaluation that is due now
    assert pace.left(11) == 143
    assert pace.left(100) == 6
    for _ in range(400):
        pace.updated(2.0)  # something else keeps the machine busy
    pace.evaluated(8.0)
    pace.saved(2.0)
    assert pace.left(11) == pytest.approx(89 * 2 + 9 * 10, rel=0.001)


def test_without_measuring_the_first_update_tells_nothing() -> None:
    pace = Pace(config_of(11, 1), None)
    assert pace.left(1) is None
    pace.updated(30.0)  # compiles
    assert pace.left(1) is None
    pace.updated(1.0)
    pace.updated(3.0)
    assert pace.left(3) == pytest.approx(8 * 2.0)


def test_a_stopwatch_leaves_pauses_out() -> None:
    clock = Clock()
    watch = Stopwatch(100.0, clock)
    clock.now += 5
    watch.pause()
    clock.now += 50
    assert watch.seconds == 105
    watch.go()
    clock.now += 1
    watch.go()  # not paused: nothing
    assert watch.seconds == 106


def config_of(steps: int, evaluations: int, **wishes: Any) -> TrainingConfig:
    return plan_training(
        Wishes(**wishes),
        kind="text",
        tokens=0,
        precision="float32",
        steps=steps,
        evaluations=evaluations,
    )


@pytest.mark.parametrize("evaluations", [1, 3, 12])
@pytest.mark.parametrize("later", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("speed", [0.7, 0.9, 1.06, 1.3])
def test_a_machine_of_another_speed_than_measured_ends_in_time(
    speed: float, later: float, evaluations: int
) -> None:
    clock = Clock()
    costs = Costs(0.02, 0.5, 2.0 if evaluations == 3 else 0.1)
    budget = Budget(100.0, clock.now, clock=clock)
    config = config_of(int(98 / costs.total(50, 0) * 50) - 30 * evaluations, evaluations)
    machine = Machine(clock, Costs(costs.update / speed, 0.5 / speed, costs.save))
    machine.compiled |= {"update", "score"}
    pace = Pace(config, costs)
    began, step, changes, judged = clock.now, 0, 0, 0
    while step < config.steps:
        at = clock.now
        if at - began > 70.0:  # another program has ended, or begun
            machine.costs = Costs(costs.update / speed / later, 0.5 / speed / later, costs.save)
        mended = budget.mend(config, pace, step, clock.now - began)
        changes += mended is not None
        config = mended or config
        machine.update(step, step)
        step += 1
        pace.updated(clock.now - at)
        if is_evaluated(step, config.steps, config.evaluate_every):
            judged += 1
            at = clock.now
            machine.score(None)
            pace.evaluated(clock.now - at)
            if step < config.steps:
                at = clock.now
                machine.save()
                pace.saved(clock.now - at)
    machine.save()
    assert changes >= 1
    assert clock.now - began == pytest.approx(100 * (1 - RECOUNTED_RESERVE), abs=2.0)
    assert 0 <= judged - evaluations_after(0, config.steps, config.evaluate_every) <= 1
    assert (config.warmup_steps, config.learning_rate) == (50, 0.02)


def test_a_run_that_keeps_its_time_keeps_its_steps() -> None:
    clock = Clock()
    budget = Budget(100.0, clock.now, clock=clock)
    config = config_of(1000, 10)
    pace = Pace(config, Costs(0.0985, 0.0, 0.0))
    for step in range(1000):
        assert budget.mend(config, pace, step, step * 0.0992) is None
        clock.now += 0.0992
        pace.updated(0.0992)


def test_saves_of_the_users_own_are_counted_too() -> None:
    """Seven saves of three seconds among 49, or none."""
    clock = Clock()
    budget = Budget(100.0, clock.now, clock=clock)
    for every in (10, None):
        clock.now = budget.began + 49.0
        config = config_of(200, 1, checkpoint_every=every)
        pace = Pace(config, Costs(0.1, 0.0, 0.3))
        if every:
            for _ in range(7):
                pace.saved(3.0)
        mended = budget.mend(config, pace, 70, 49.0)
        assert mended is not None
        assert mended.checkpoint_every == config.checkpoint_every
        # 50.5 s are left, for updates of 0.4 s and a save of 3 s every ten; or for those of 0.7 s.
        assert mended.steps == (70 + 67 if every else 70 + 71)


@pytest.mark.parametrize(("stopped", "expected"), [(500.0, 70 + 65), (-500.0, 70 + 260)])
def test_a_machine_that_was_stopped_is_no_slow_machine(stopped: float, expected: int) -> None:
    clock = Clock()
    budget = Budget(20.0, clock.now, clock=clock)
    clock.now += 7.0 + stopped
    config = config_of(200, 1)
    pace = Pace(config, Costs(0.1, 0.0, 0.0))
    mended = budget.mend(config, pace, 70, 7.0 + max(0.0, stopped))
    assert mended is not None
    assert mended.steps == expected  # half as many as were to come, or twice


def test_a_share_that_is_passed_is_not_counted_again() -> None:
    clock = Clock()
    budget = Budget(20.0, clock.now, clock=clock)
    config = config_of(200, 1)
    pace = Pace(config, Costs(0.1, 0.0, 0.0))
    clock.now += 15.0
    mended = budget.mend(config, pace, 100, 15.0)  # late: at half of them
    assert mended is not None
    assert mended.steps == 150
    for step in range(101, 120):
        assert pace.next_share == 0.8  # of 150 100 are more than three fifths
        assert budget.mend(mended, pace, step, 15.0 + 0.1 * step) is None


@pytest.mark.parametrize("every", [1, 2, 7, 30, 100, 400])
def test_evaluations_are_as_many_as_are_reckoned(every: int) -> None:
    for steps in (1, 2, 3, 99, 100, 101, 149, 150, 199, 250):
        due = [step for step in range(1, steps + 1) if is_evaluated(step, steps, every)]
        assert due[-1] == steps
        assert all(b - a >= every / 2 for a, b in itertools.pairwise(due))
        for step in range(steps + 1):
            assert evaluations_after(step, steps, every) == sum(1 for at in due if at > step)


def test_no_update_before_the_first_count_depends_on_it() -> None:
    """Not even if an eighth fewer are to come."""
    at = round(RECOUNTED_SHARES[0] * 1000)
    for steps in (875, 1000, 1500):
        assert [rate_at(step, steps, 0.02, 50) for step in range(at)] == [
            rate_at(step, 1000, 0.02, 50) for step in range(at)
        ]
