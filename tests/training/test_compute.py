"""What computes a run's updates: measured once, remembered, and recorded."""

from __future__ import annotations

import dataclasses
import json
import os
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seqgen import checkpoint
from seqgen.config import Architecture, ModelConfig, TrainingConfig
from seqgen.errors import UsageError
from seqgen.training.plan import Wishes, plan_training
from tests.support import make_config
from tests.training.test_run import finish, interrupt, plan, resume

pytestmark = pytest.mark.usefixtures("tensorflow")

SLOW, FAST = 0.2, 0.1


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, on a machine with bfloat16 products."""
    from seqgen.training import compute

    folder = tmp_path / "cache"
    monkeypatch.setattr(compute, "cache_folder", lambda: folder)
    monkeypatch.setattr(compute, "native_precision", lambda: "bfloat16")
    return folder


def machine(
    monkeypatch: pytest.MonkeyPatch,
    fastest: tuple[str, str],
    *,
    without: str = "",
    waited: float = 0.0,
    slow: float = SLOW,
    slow_spell: range = range(0),
) -> list[tuple[str, str]]:
    """Lets one candidate be fast; gives the updates that were timed.

    Args:
        slow: seconds of the other candidates' updates.
        slow_spell: updates, of all there are, that take twice as long and more.
    """
    import tensorflow as tf

    from seqgen.training import compute

    timed = []

    def updater(_model: object, config: TrainingConfig, _batches: object) -> Callable[[int], float]:
        candidate = (config.compute, config.precision)

        def update(_step: int) -> float:
            if config.compute == without:
                raise tf.errors.UnimplementedError(None, None, "no such operation")
            timed.append(candidate)
            seconds = FAST if candidate == fastest else slow
            return 2.2 * seconds if len(timed) in slow_spell else seconds

        return update

    monkeypatch.setattr(compute, "_updater", updater)

    def share_waited(seconds: float, processor: float) -> float:
        assert processor <= (os.cpu_count() or 1) * seconds + 0.5  # both of the same span
        return waited

    monkeypatch.setattr(compute, "share_waited", share_waited)
    return timed


def choose(batch_size: int = 4, hidden: int | None = None) -> tuple[str, str]:
    from seqgen.training.compute import choose

    model = make_config("transformer", hidden or 11)
    config = recipe(batch_size=batch_size)
    choice = choose(model, config, None)  # type: ignore[arg-type]
    return choice.compute, choice.precision


def recipe(**wishes: Any) -> TrainingConfig:
    return plan_training(
        Wishes(**wishes), kind="text", tokens=0, precision="float32", steps=1000, evaluations=1
    )


@pytest.mark.parametrize(
    "fastest",
    [("plain", "float32"), ("plain", "bfloat16"), ("xla", "float32"), ("xla", "bfloat16")],
)
def test_the_fastest_is_chosen_and_remembered(
    fastest: tuple[str, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = machine(monkeypatch, fastest)
    assert choose() == fastest
    assert len(set(timed)) == 4
    # Now another would win, but the same command has to give the same bytes.
    timed = machine(monkeypatch, ("xla" if fastest[0] == "plain" else "plain", "float32"))
    assert choose() == fastest
    assert timed == []
    assert choose(batch_size=8) != fastest  # another shape is another question
    files = list(cache.rglob("*"))
    assert len([file for file in files if file.is_file()]) == 2
    assert set(json.loads(next(cache.rglob("*.json")).read_bytes())["milliseconds"]) == {
        "plain float32",
        "plain bfloat16",
        "xla float32",
        "xla bfloat16",
    }


def test_a_candidate_far_behind_is_tried_but_twice(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = machine(monkeypatch, ("plain", "float32"))
    choose()
    assert timed.count(("plain", "float32")) > 3
    assert timed.count(("xla", "float32")) == 3  # it is compiled, and then timed


@pytest.mark.parametrize("begin", range(0, 30, 3))
def test_a_slow_spell_decides_nothing(
    begin: int, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fastest may be tried at the moment at which the machine is slow."""
    for batch_size, fastest in enumerate([("plain", "bfloat16"), ("xla", "float32")], 4):
        machine(monkeypatch, fastest, slow=1.3 * FAST, slow_spell=range(begin, begin + 9))
        assert choose(batch_size) == fastest
    for path in cache.rglob("*.json"):
        seconds = json.loads(path.read_bytes())["milliseconds"].values()
        assert max(seconds) == pytest.approx(1.3 * min(seconds), rel=0.01)


@pytest.mark.parametrize("fastest", ["native", "plain"])
def test_xla_is_not_compiled_for_nothing(
    fastest: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never came near to native code, and compiling takes a tenth of a run of minutes."""
    from seqgen.training import compute

    monkeypatch.setattr(compute, "_native", lambda _: [compute.Choice("native", "bfloat16")])
    timed = machine(monkeypatch, (fastest, "bfloat16"))
    assert choose() == (fastest, "bfloat16")
    assert ("xla" in {way for way, _ in timed}) == (fastest != "native")


def test_two_networks_are_there_at_once_at_most(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.training import compute

    class Network:
        def __init__(self) -> None:
            self.update = self.seconds  # refers to itself, as a trainer does
            self.number = len(made) + 1

        def seconds(self, step: int) -> float:
            if self.number == 3 and step == 2:
                raise MemoryError
            return SLOW / self.number  # the later the faster

    made: list[weakref.ref[Network]] = []
    before: list[int] = []

    def alive() -> int:
        return sum(network() is not None for network in made)

    def updater(*_: object) -> Callable[[int], float]:
        before.append(alive())
        network = Network()
        made.append(weakref.ref(network))
        return network.update

    monkeypatch.setattr(compute, "_updater", updater)
    assert choose() == ("xla", "bfloat16")
    assert before == [0, 1, 1, 1]
    assert alive() == 0


def test_a_network_too_large_to_be_there_twice_is_not_measured(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.training import compute

    timed = machine(monkeypatch, ("xla", "float32"))
    monkeypatch.setattr(compute, "machine_bytes", lambda: 4 * 100_000)
    monkeypatch.setattr(compute, "least_bytes", lambda *_: 100_001)
    assert choose() == ("plain", "bfloat16")
    assert timed == []
    assert not list(cache.rglob("*.json"))


def test_on_a_busy_machine_times_tell_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("xla", "float32"), waited=0.7)
    assert choose() == ("plain", "bfloat16")
    machine(monkeypatch, ("xla", "float32"))
    assert choose() == ("plain", "bfloat16")  # remembered too


def test_two_runs_at_once_agree(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqgen.training import compute

    answers: Iterator[str] = iter(["plain", "xla"] * 4)

    def measure(*_: object) -> dict[compute.Choice, float]:
        return {compute.Choice(next(answers), "float32"): FAST}  # type: ignore[arg-type]

    monkeypatch.setattr(compute, "_measure", measure)
    with ThreadPoolExecutor(8) as pool:
        chosen = set(pool.map(lambda _: choose(), range(8)))
    assert len(chosen) == 1


def test_a_damaged_answer_is_asked_for_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("xla", "float32"))
    choose()
    path = next(cache.rglob("*.json"))
    for damaged in (b"", b"[]", b'{"compute": "xla", "precision": "int4"}'):
        path.write_bytes(damaged)
        machine(monkeypatch, ("plain", "float32"))
        assert choose() == ("plain", "float32")


def test_without_a_cache_or_a_compiler_the_usual_is_taken(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, ("xla", "float32"), without="xla")
    assert choose()[0] == "plain"
    machine(monkeypatch, ("xla", "float32"), without="plain")
    assert choose(batch_size=5) == ("xla", "float32")
    (cache / "compute").rename(cache / "old")
    (cache / "compute").write_text("a file is in the way")
    timed = machine(monkeypatch, ("xla", "float32"))
    assert choose() == ("plain", "bfloat16")
    assert timed == []


@pytest.mark.parametrize("arch", ["transformer", "lstm"])
def test_only_a_long_run_measures_and_only_a_short_one_is_plain(
    arch: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.training import compute

    measured = compute.Choice("xla", "float32")
    monkeypatch.setattr(compute, "choose", lambda *_: measured)
    monkeypatch.setattr(compute, "is_kept", lambda *_: False)
    heads = 6 if arch == "transformer" else 0
    model = ModelConfig(arch, 65, 4, 192, 192, heads, 256)

    def decide(config: TrainingConfig, budget_seconds: float | None) -> Any:
        return compute.decide(None, model, config, budget_seconds, lambda: None)  # type: ignore[arg-type,return-value]

    plain, usual = compute.usual(model, "plain"), compute.usual(model)
    assert decide(recipe(), 180.0) == measured
    assert decide(recipe(), 100.0) == usual
    assert decide(recipe(), 10.0) == plain
    assert decide(recipe(), 60.0) == usual
    assert decide(recipe(), 30.0) == (plain if arch == "transformer" else usual)
    monkeypatch.setattr(compute, "is_kept", lambda *_: True)  # was compiled before
    assert decide(recipe(), 10.0) == usual
    config = recipe(arch="transformer", hidden=192, batch_size=8, seq_length=256)
    for steps, choice in ((4000, measured), (800, usual), (10, plain)):
        assert decide(dataclasses.replace(config, steps=steps, warmup_steps=1), None) == choice


def test_a_way_that_a_network_can_not_take_is_refused(tmp_path: Path) -> None:
    for options in ({"arch": "transformer", "hidden": 40}, {"arch": "lstm", "hidden": 24}):
        with pytest.raises(UsageError, match="--compute native is for x86-64"):
            plan(tmp_path / "model.safetensors", compute="native", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wish", [None, "plain", "xla"])
def test_a_plan_asks_for_long_runs_unless_told(
    wish: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.training import compute

    monkeypatch.setattr(compute, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(compute, "choose", lambda *_: compute.Choice("xla", "bfloat16"))
    run = plan(tmp_path / "model.safetensors", compute=wish)
    expected = compute.usual(run.model, wish) if wish else compute.Choice("xla", "bfloat16")  # type: ignore[arg-type]
    assert (run.config.compute, run.config.precision) == (expected.compute, expected.precision)


@pytest.mark.parametrize("way", ["xla", "native"])
def test_a_run_is_resumed_as_it_was_begun(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.models.networks.native import can_run
    from seqgen.training import compute

    monkeypatch.setattr(compute, "native_precision", lambda: "float32")
    if way == "native" and not can_run(ModelConfig("gru", 20, 2, 32, 32, 0, 32), "float32"):
        pytest.skip("this processor lacks the instructions")
    options = {"arch": "gru", "layers": 2, "steps": 8, "hidden": 32, "compute": way}
    whole, cut, plain = (tmp_path / f"{name}.safetensors" for name in ("whole", "cut", "plain"))
    finish(plan(whole, **options))
    interrupt(plan(cut, **options), at=3)
    again = resume(cut)
    assert again.config.compute == way
    finish(again)
    finish(plan(plain, **options | {"compute": "plain"}))
    expected, got, other = (checkpoint.load(path).weights for path in (whole, cut, plain))
    assert all((got[name] == weight).all() for name, weight in expected.items())
    for name, weight in expected.items():  # the same, dropout and all, in another order
        assert other[name] == pytest.approx(weight, abs=1e-4), name
