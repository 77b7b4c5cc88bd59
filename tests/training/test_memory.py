"""What does not fit is said before the system ends the program for it."""

from __future__ import annotations

import dataclasses

import pytest

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.errors import TrainingError
from seqgen.models import parameters
from seqgen.training.plan import Wishes, plan_training
from tests.support import make_config

pytestmark = pytest.mark.usefixtures("tensorflow")


def recipe() -> TrainingConfig:
    return plan_training(
        Wishes(batch_size=2, seq_length=32),
        kind="text",
        tokens=1000,
        precision="float32",
        steps=5,
        evaluations=1,
    )


def test_the_least_is_below_what_is_really_held() -> None:
    """Everything that is counted is there at once; the logits and the weights alone are less."""
    from seqgen.training.memory import least_bytes

    model = make_config("transformer", 50)
    least = least_bytes(model, recipe())
    weights = 4 * parameters.count(model)
    logits = 4 * 2 * 32 * 50
    attention = 4 * 2 * 2 * 32 * 32
    assert 5 * weights + 2 * logits + attention < least < 6 * weights + 2 * logits + 3 * attention


@pytest.mark.parametrize("more", [{"batch_size": 2048}, {"seq_length": 1024}])
def test_it_grows_with_what_the_message_says_to_lower(more: dict[str, int]) -> None:
    from seqgen.training.memory import least_bytes

    model = make_config("transformer", 50)
    assert least_bytes(model, dataclasses.replace(recipe(), **more)) > 4 * least_bytes(
        model, recipe()
    )


def test_what_can_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqgen.training import memory

    large = ModelConfig("lstm", 100, 8, 16_384, 64, 0, 64)
    config = recipe()
    monkeypatch.setattr(memory, "machine_bytes", lambda: 16 * 10**9)
    memory.require_memory(make_config("lstm", 100), config)
    with pytest.raises(TrainingError, match=r"\(at least [\d,.]+ GB of 16.0 GB\); lower --hidden"):
        memory.require_memory(large, config)
    monkeypatch.setattr(memory, "machine_bytes", lambda: None)  # a system that does not tell
    memory.require_memory(large, config)


def test_this_machine_tells() -> None:
    from seqgen.training.memory import machine_bytes

    most = machine_bytes()
    assert most is None or most > 100 << 20
