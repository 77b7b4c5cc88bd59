"""A run is a function of its seed and its steps, however often it was interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from tests.training.test_run import finish, plan, resume


def order(arch: str, steps: int, direction: str, hash_seed: int) -> list[str]:
    """Digests of a run's batches, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.durability.order", arch, str(steps), direction],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


LONG = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("arch", "steps"),
    [
        ("lstm", 3_000),
        pytest.param("lstm", 100_000, marks=LONG),
        pytest.param("transformer", 100_000, marks=LONG),
    ],
)
def test_two_processes_see_the_same_order(arch: str, steps: int) -> None:
    one, other = order(arch, steps, "forwards", 1), order(arch, steps, "backwards", 2)
    assert len(set(one)) == len(one) == steps // 1000
    assert one == other


def same(expected: Path, got: Path) -> bool:
    """Whether two finished models are the same to the last bit, but for the time of day."""
    one, other = checkpoint.load(expected), checkpoint.load(got)
    cards = []
    for card in (one.card, other.card):
        values = checkpoint.card_to_json(card)
        assert values.pop("created")
        assert values.pop("digest")
        cards.append(values)
    assert len(one.index) == len(other.index) == 1
    return (
        cards[0] == cards[1]
        and one.index[0].same(other.index[0])
        and all(
            other.weights[name].tobytes() == weight.tobytes()
            for name, weight in one.weights.items()
        )
    )


def interrupted(path: Path, questions: list[int], **options: Any) -> int:
    """Train to the end, but for so many stops; the number of those.

    Each stop is asked for at one of the moments when the run looks for such a wish: after an
    update, or in the middle of an evaluation.
    """
    from seqgen.training.events import Ended

    run = plan(path, **options)
    for number, questions_left in enumerate(questions):
        left = questions_left

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        ended = list(run.events(stop))[-1]
        assert isinstance(ended, Ended)
        if not ended.interrupted:
            return number
        run = resume(path)
    finish(run)
    return len(questions)


SEEDS = {1: 4, 3: 3, 10: 3}  # how many times each number of interruptions is tried


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(("times", "seed"), [(n, seed) for n in SEEDS for seed in range(SEEDS[n])])
@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_interrupted_runs_are_the_same_run(
    arch: str, times: int, seed: int, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    options = {"arch": arch, "layers": 2, "steps": 60, "dropout": 0.3, "augment": True}
    options["seed"] = seed
    run = plan(whole, **options)
    assert 1 < run.batches.steps_per_epoch < 60
    finish(run)
    questions = np.random.default_rng((times, seed)).integers(0, 60 // times, times).tolist()
    assert interrupted(cut, questions, **options) == times
    assert same(whole, cut)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("at", ["middle", "last"])
def test_an_end_in_the_middle_of_an_evaluation_comes_at_once(at: str, tmp_path: Path) -> None:
    from seqgen.training.events import Ended, Evaluated, Stepped

    options = {"arch": "rnn", "layers": 1, "steps": 4, "dropout": 0.3}
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    finish(plan(whole, **options))
    run = plan(cut, **options)
    every, steps = run.config.evaluate_every, run.config.steps
    breaks_at = every if at == "middle" else steps

    def stop() -> bool:
        return run.step == breaks_at

    events = list(run.events(stop))
    assert isinstance(events[-1], Ended)
    assert events[-1].interrupted
    evaluated = [event.step for event in events if isinstance(event, Evaluated)]
    assert evaluated == list(range(every, breaks_at, every))
    assert sum(isinstance(event, Stepped) for event in events) == breaks_at
    run = resume(cut)
    again = list(run.events(stop))  # and once more, before anything else
    assert not any(isinstance(event, Stepped | Evaluated) for event in again)
    finish(resume(cut))
    assert same(whole, cut)


@pytest.mark.usefixtures("tensorflow")
def test_an_end_before_the_first_update_leaves_a_finished_model(tmp_path: Path) -> None:
    from seqgen.training.launch import plan_run
    from tests.training.test_run import TOKENIZER, TRAINING, VALIDATION, Wishes

    path = tmp_path / "model.safetensors"
    finish(plan(path, arch="rnn", layers=1, steps=2))
    before = path.read_bytes()
    run = plan_run(
        *(TRAINING, VALIDATION, TOKENIZER, Wishes(steps=3, batch_size=4, seq_length=16), path),
        description={},
        resumable={},
        start=checkpoint.load(path),
    )
    ended = list(run.events(stop=lambda: True))[-1]
    assert (ended.step, ended.interrupted) == (0, True)  # type: ignore[union-attr]
    assert path.read_bytes() == before
