"""Updates that are not finite: left out, gone back from, and in the end given up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.errors import TrainingError
from seqgen.training.recovery import Recovery
from tests.training.test_run import finish, interrupt, plan, resume

POISON = 1  # half a byte: a token that no text of these needs


@dataclasses.dataclass
class FakeBatch:
    index: int
    fresh: bool = False


class FakeBatches:
    steps_per_epoch = 30

    def __getitem__(self, step: int) -> FakeBatch:
        return FakeBatch(step)


def test_five_in_a_row_go_back_at_half_the_rate_elsewhere_in_the_corpus() -> None:
    recovery = Recovery({}, step=7)
    batches: Any = FakeBatches()
    for _ in range(3):  # four and a good one are only left out
        assert not any(recovery.goes_back(applied=applied) for applied in [False] * 4 + [True])
    assert (recovery.rate_scale, recovery.batch(batches, 20)) == (1.0, FakeBatch(20))
    for returns in (1, 2, 3):
        assert [recovery.goes_back(applied=False) for _ in range(5)] == [False] * 4 + [True]
        assert recovery.rate_scale == 0.5**returns
        assert not recovery.exhausted
        assert recovery.batch(batches, 20) == FakeBatch(20 + 11 * returns, fresh=True)
        assert not recovery.goes_back(applied=True)
        assert recovery.batch(batches, 21) == FakeBatch(21 + 11 * returns)
    for _ in range(5):
        recovery.goes_back(applied=False)
    assert recovery.exhausted


def spoil(run: Any, spoiled: Callable[[Any, Any], Any], *, loss_too: bool = False) -> Any:
    """Makes gradients infinite where ``spoiled``, of ids and step, says so."""
    import tensorflow as tf

    differentiate = run.trainer._differentiate

    def infinite(ids: Any, targets: Any, state: Any, key: Any) -> Any:
        loss, gradients, state = differentiate(ids, targets, state, key)
        factor = tf.where(spoiled(ids, key[1]), np.float32(np.inf), np.float32(1))
        return loss * factor if loss_too else loss, [g * factor for g in gradients], state

    run.trainer._differentiate = infinite
    return run


def tiny(path: Path) -> Any:
    return plan(path, arch="rnn", layers=1, hidden=8, steps=40)  # evaluated every 4 steps


def at_steps(*bad: int) -> Callable[[Any, Any], Any]:
    """Spoils these updates, counted from 0."""

    def spoiled(_ids: Any, step: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_any(step == tf.constant(bad))

    return spoiled


def poisoned(ids: Any, _step: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_any(ids == POISON)


@pytest.mark.usefixtures("tensorflow")
def test_infinite_gradients_are_left_out_and_then_gone_back_from(tmp_path: Path) -> None:
    from seqgen.training.events import Noted, Stepped

    run = spoil(tiny(tmp_path / "model.safetensors"), at_steps(5, 14, 15, 16, 17, 18))
    states, rates, notes = {}, {}, []
    for event in run.events(stop=lambda: False):
        if isinstance(event, Stepped):
            states[event.step] = run.trainer.export_memory()
            rates[event.step] = event.learning_rate
        if isinstance(event, Noted):
            notes.append(event.message)
            back = run.trainer.export_memory()
    same = {
        (a, b): all((states[a][n] == states[b][n]).all() for n in states[a] if n != "state")
        for a, b in [(5, 6), (6, 7), (12, 13), (14, 19), (19, 20)]
    }
    assert same == {(5, 6): True, (6, 7): False, (12, 13): False, (14, 19): True, (19, 20): False}
    assert all((back[name] == states[12][name]).all() for name in back)
    assert rates[12] == pytest.approx(rates[8])  # the schedule is level there
    assert rates[20] / rates[19] == pytest.approx(0.5 * 21 / 22)  # and falls to zero there
    assert len(notes) == 1
    assert "going on from the weights of step 12 at 0.5 times the rate" in notes[0]
    assert run.step == 40


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("at", [13, 16, 19])
def test_a_run_that_goes_back_is_resumed_exactly(at: int, tmp_path: Path) -> None:
    """Before it goes back, to a state older than the file's latest; among the updates that are
    left out; and just when it has gone back."""
    bad = at_steps(14, 15, 16, 17, 18, 26)
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    finish(spoil(tiny(whole), bad))
    interrupt(spoil(tiny(cut), bad), at=at)
    kept = checkpoint.load_training(cut)
    assert kept[0].card.progress is not None
    assert kept[0].card.progress["step"] == at
    assert kept[0].card.progress["returns"] == (at > 18)
    finish(spoil(resume(cut), bad))
    expected, got = checkpoint.load(whole), checkpoint.load(cut)
    assert got.card.metrics == expected.card.metrics
    assert all((got.weights[name] == expected.weights[name]).all() for name in got.weights)


class Poisoned:
    """Batches of which those in a range hold a token that spoils their update."""

    def __init__(self, batches: Any, where: range) -> None:
        self._batches, self._where = batches, where
        self.tokens, self.steps_per_epoch = batches.tokens, batches.steps_per_epoch

    def __getitem__(self, step: int) -> Any:
        batch = self._batches[step]
        if step in self._where:
            batch = dataclasses.replace(batch, ids=np.full_like(batch.ids, POISON))
        return batch


@pytest.mark.usefixtures("tensorflow")
def test_a_poisoned_stretch_of_the_corpus_is_left_behind(tmp_path: Path) -> None:
    run = spoil(tiny(tmp_path / "model.safetensors"), poisoned, loss_too=True)
    run.batches = Poisoned(run.batches, range(10, 28))
    assert 15 + run.batches.steps_per_epoch // 3 + 1 >= 28  # where it goes on, all is well
    finish(run)
    assert run.recovery.returns == 1
    assert np.isfinite(checkpoint.load(run.output).card.metrics["nats_per_char"])


@pytest.mark.usefixtures("tensorflow")
def test_what_never_gets_well_ends_the_run_and_keeps_the_last_good_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    run = spoil(tiny(path), poisoned)
    run.batches = Poisoned(run.batches, range(10, 10_000))
    with pytest.raises(TrainingError, match=r"at step 30, though .* 3 times .* lower --clip-norm"):
        finish(run)
    progress = checkpoint.load(path).card.progress
    assert progress is not None
    assert (progress["step"], progress["returns"]) == (8, 0)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.usefixtures("tensorflow")
def test_poisoned_weights_are_replaced(tmp_path: Path) -> None:
    run = tiny(tmp_path / "model.safetensors")
    embedding = run.trainer.network.weight["embedding"]

    def poison() -> bool:
        if run.step == 3:
            embedding.assign(np.full(embedding.shape, np.nan))
        return False

    list(run.events(stop=poison))
    assert run.recovery.returns == 1
    assert np.isfinite(checkpoint.load(run.output).weights["embedding"]).all()


@pytest.mark.usefixtures("tensorflow")
def test_infinite_gradients_at_50_steps_reach_neither_weights_nor_disk(tmp_path: Path) -> None:
    from seqgen.training.events import Saved, Stepped

    rng = np.random.default_rng(0)
    bad = {*range(60, 65), *rng.choice(np.arange(70, 199), 45, replace=False).tolist()}
    path = tmp_path / "model.safetensors"
    options = {"arch": "rnn", "layers": 1, "hidden": 8, "steps": 200, "checkpoint_every": 1}
    run = spoil(plan(path, **options), at_steps(*sorted(bad)))
    kept, left_out, files = run.trainer.export_memory(), 0, 0
    for event in run.events(stop=lambda: False):
        if isinstance(event, Stepped):
            now = run.trainer.export_memory()
            if event.step - 1 in bad:
                left_out += 1
                assert all((now[name] == kept[name]).all() for name in now if name != "state")
            assert all(np.isfinite(tensor).all() for tensor in now.values())
        if isinstance(event, Saved):
            files += 1
            saved, memory = checkpoint.load_training(path)
            for tensor in (*saved.weights.values(), *memory.values()):
                assert np.isfinite(tensor).all()
        kept = run.trainer.export_memory()
    assert left_out == 50
    assert files >= 150
    assert run.recovery.returns == 1 + _streaks(sorted(bad - set(range(60, 65))))


def _streaks(bad: list[int]) -> int:
    """How many times five in a row are among some steps."""
    found = row = 0
    for before, at in zip([-2, *bad], bad, strict=False):
        row = row + 1 if at == before + 1 else 1
        if row == 5:
            found, row = found + 1, 0
    return found


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("stopped", [False, True])
def test_poisoned_weights_are_not_saved(stopped: bool, tmp_path: Path) -> None:
    """Weights that are no numbers when a save is due, or when the run is to end."""
    from seqgen.training.events import Evaluated, Noted

    run = tiny(tmp_path / "model.safetensors")
    embedding = run.trainer.network.weight["embedding"]
    notes = []
    ending = []
    for event in run.events(stop=lambda: stopped and bool(ending)):
        if isinstance(event, Evaluated) and event.step == 8:
            embedding.assign(np.full(embedding.shape, np.nan))
            ending.append(True)
        if isinstance(event, Noted):
            notes.append(event.message)
    assert run.recovery.returns == 1
    if stopped:
        run = resume(run.output)
        assert run.step == 8
        finish(run)
    else:
        assert "step 8: " in notes[0]
        assert "holds NaN or infinity; training goes on and tries again later" in notes[0]
        assert len(notes) == 2
    assert run.step == 40
    assert np.isfinite(checkpoint.load(run.output).weights["embedding"]).all()
