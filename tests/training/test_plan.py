"""What a run will be, by corpus and time."""

from __future__ import annotations

from typing import Any

import pytest

from seqgen.config import Architecture, ModelConfig, TrainingConfig
from seqgen.errors import InputError, UsageError
from seqgen.models.parameters import count
from seqgen.training.plan import Wishes, plan_model, plan_training
from tests.support import ARCHITECTURES


def recipe(tokens: int, **wishes: Any) -> TrainingConfig:
    plan = Wishes(**wishes)
    return plan_training(
        plan, kind="text", tokens=tokens, precision="float32", steps=100, evaluations=5
    )


def network(tokens: int, **wishes: Any) -> ModelConfig:
    return plan_model(Wishes(**wishes), vocabulary=100, tokens=tokens)


def test_five_minutes_are_the_default() -> None:
    assert Wishes().budget_seconds == 300
    assert Wishes().steps is None


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_oftener_a_corpus_is_read_the_more_is_dropped(arch: Architecture) -> None:
    by_size = [recipe(tokens, arch=arch).dropout for tokens in (10**8, 10**6, 10**5, 10**4)]
    assert by_size == sorted(by_size)
    assert by_size[0] == 0 < by_size[2] < by_size[3] <= 0.5
    by_time = [recipe(120_000, arch=arch, budget_seconds=s).dropout for s in (30, 300, 3000)]
    assert by_time == sorted(by_time)
    assert by_time[0] < by_time[2]
    by_steps = [recipe(120_000, arch=arch, steps=steps).dropout for steps in (10, 3000, 100_000)]
    assert by_steps == sorted(by_steps)
    assert by_steps[0] == 0 < by_steps[1] < by_steps[2]


def test_a_wider_network_is_expected_to_read_less() -> None:
    usual, wide = (recipe(120_000, arch="lstm", hidden=hidden).dropout for hidden in (384, 1024))
    assert wide < usual
    narrow = [recipe(1_000_000, arch="lstm", hidden=hidden).dropout for hidden in (32, 128)]
    assert narrow[0] == narrow[1] < 0.3  # what is small is not faster without end
    assert recipe(120_000, arch="lstm", hidden=1024, dropout=0.6).dropout == 0.6


def test_dropout_at_the_sizes_it_was_measured_at() -> None:
    """The corpora of the README, at their usual budget."""
    assert recipe(120_000).dropout == pytest.approx(0.26, abs=0.03)
    assert recipe(1_000_000).dropout == pytest.approx(0.02, abs=0.02)
    assert recipe(120_000, arch="lstm").dropout == pytest.approx(0.37, abs=0.05)
    assert recipe(1_000_000, arch="lstm").dropout == 0


@pytest.mark.parametrize("tokens", [120_000, 1_000_000])
def test_more_time_is_for_larger_networks_and_updates(tokens: int) -> None:
    budgets = (20, 60, 300, 1200)
    weights = [count(network(tokens, budget_seconds=seconds)) for seconds in budgets]
    assert weights == sorted(weights)
    assert weights[0] < weights[-1]
    batches = [recipe(tokens, budget_seconds=seconds).tokens_per_update for seconds in budgets]
    assert batches == sorted(batches)
    assert batches[0] < batches[-1]
    # What it is exactly is not decided by how long it takes.
    steps = [network(tokens, steps=steps) for steps in (10, 10_000)]
    assert steps[0] == steps[1] == network(tokens)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_no_window_is_longer_than_the_corpus(arch: Architecture) -> None:
    assert recipe(50, arch=arch).seq_length == network(50, arch=arch).context == 50
    assert recipe(10**6, arch=arch).seq_length == network(10**6, arch=arch).context > 50
    Wishes(arch=arch).check_window(50)
    Wishes(arch=arch, seq_length=50).check_window(50)
    with pytest.raises(InputError, match=r"holds 50 tokens .* one sequence of 51; lower --seq-le"):
        Wishes(arch=arch, seq_length=51).check_window(50)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"hidden": 51}, "hidden must be even, since rotary"),
        ({"layers": 65}, "layers must be a whole number from 1 to 64"),
        ({"seq_length": 1 << 21}, "seq-length must be"),
        ({"batch_size": 1 << 21}, "batch-size must be"),
    ],
)
def test_what_no_corpus_could_make_right_is_said_at_once(
    wishes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Wishes(**wishes).check()
