"""Whole runs on a small corpus: they learn, stop, go on and never write what can't be read."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import Architecture, TrainingConfig, from_json
from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.runs import build
from seqgen.errors import OutputError, TrainingError
from seqgen.tokenization import Tokenizer
from seqgen.training.plan import Wishes
from tests.support import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("tensorflow")

# A language with rules to learn: four notes up, four notes down, in one of four keys.
PHRASES = ["CDEF FEDC", "GABc cBAG", "DEFG GFED", "EFGA AGFE"]


def make_corpus(seed: int, tunes: int) -> Corpus:
    rng = np.random.default_rng(seed)
    documents = []
    for number in range(tunes):
        body = "|".join(PHRASES[i] for i in rng.integers(0, 4, 3))
        text = f"X:{number % 10}\nK:{'CF'[number % 2]}\n{body}|]\n"
        documents.append(Document(text, "made", len(text) + 1))
    return Corpus("made", "abc", tuple(documents))


TRAINING, VALIDATION = make_corpus(0, 60), make_corpus(1, 8)
INDEX = (build(TRAINING),)
TOKENIZER = Tokenizer.learn("char", (document.text for document in TRAINING.documents))


def plan(output: Path, **wishes: object):  # type: ignore[no-untyped-def]
    from seqgen.training.launch import plan_run

    given = {"hidden": 16, "batch_size": 4, "seq_length": 16, "steps": 12, "dropout": 0.2, **wishes}
    return plan_run(
        TRAINING,
        VALIDATION,
        TOKENIZER,
        Wishes(**given),  # type: ignore[arg-type]
        output,
        description={"name": "made", "digest": TRAINING.digest},
        resumable={"sources": ["made"]},
        index=INDEX,
    )


def finish(run):  # type: ignore[no-untyped-def]
    return list(run.events(stop=lambda: False))


def interrupt(run, at: int):  # type: ignore[no-untyped-def]
    return list(run.events(stop=lambda: run.step >= at))


def resume(path: Path):  # type: ignore[no-untyped-def]
    from seqgen.training.launch import resume_run

    saved, memory = checkpoint.load_training(path)
    config = from_json(TrainingConfig, saved.card.recipe)
    return resume_run(TRAINING, VALIDATION, saved, memory, config)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_learns(arch: Architecture, tmp_path: Path) -> None:
    from seqgen.training.events import Ended, Evaluated
    from seqgen.training.metrics import metrics_path

    output = tmp_path / "model.safetensors"
    rate = 0.02
    events = finish(
        plan(output, arch=arch, steps=250, hidden=32, layers=1, dropout=0.0, learning_rate=rate)
    )
    scores = [event.score.nats_per_unit for event in events if isinstance(event, Evaluated)]
    # The entropy of the language is below half a nat a character; guessing letters costs two.
    assert scores[-1] < 0.5
    assert scores[-1] < scores[0]
    assert isinstance(events[-1], Ended)
    saved = checkpoint.load(output)
    assert saved.card.progress is None
    assert saved.card.metrics["nats_per_char"] == min(scores)
    assert checkpoint.load_training(output)[1] == {}
    lines = [json.loads(line) for line in metrics_path(output).read_text().splitlines()]
    assert {"loss_nats", "gradient_norm", "learning_rate", "tokens_per_second"} <= set(lines[0])
    assert [line["nats_per_char"] for line in lines if "nats_per_char" in line] == scores


ALL_OPTIONS = {
    "batch_size": 4,
    "accumulate": 2,
    "ema": 0.9,
    "clip_value": 0.01,
    "augment": True,
}


@pytest.mark.parametrize("options", [{"batch_size": 8}, ALL_OPTIONS], ids=["plain", "all"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_resumed_run_is_the_same_run(
    arch: Architecture, options: dict[str, object], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    options = {"arch": arch, "seq_length": 32, "steps": 30, **options}
    one = plan(whole, **options)
    run_steps = one.config.steps
    assert one.batches.steps_per_epoch < run_steps - 10
    finish(one)
    interrupt(plan(cut, **options), at=3)
    assert checkpoint.load(cut).card.progress["step"] == 3  # type: ignore[index]
    # In the middle of the second time through the corpus.
    interrupt(resume(cut), at=run_steps - 10)
    finish(resume(cut))
    expected, got = checkpoint.load(whole), checkpoint.load(cut)
    assert got.card.metrics == expected.card.metrics
    for name, weight in expected.weights.items():
        assert got.weights[name].tobytes() == weight.tobytes(), name


def test_the_same_seed_is_the_same_run_and_another_is_not(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        finish(plan(path, seed=seed, steps=4))
    first, again, other = (checkpoint.load(path).weights["embedding"] for path in paths)
    assert (first == again).all()
    assert (first != other).any()


def test_it_keeps_the_best_and_stops_when_nothing_improves(tmp_path: Path) -> None:
    from seqgen.training.events import Ended, Evaluated
    from seqgen.training.validation import Score

    run = plan(tmp_path / "model.safetensors", steps=100)
    run.config = dataclasses.replace(run.config, patience=4)  # as with a budget
    scores = iter([3.0, 2.0, 2.5, 2.6, 2.7, 2.8, 2.9])
    seen = []

    class Rows:
        def score(self, loss_sum: object) -> Score:
            seen.append(run.trainer.export_weights())
            return Score(next(scores), 1, 1)

    run.rows = Rows()
    events = finish(run)
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [event.improved for event in evaluated] == [True, True, False, False, False, False]
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.early
    assert ended.best["nats_per_char"] == 2.0
    kept = checkpoint.load(tmp_path / "model.safetensors").weights
    assert all((kept[name] == seen[1][name]).all() for name in kept)


def test_an_update_with_an_infinite_gradient_is_not_applied(tmp_path: Path) -> None:
    run = plan(tmp_path / "model.safetensors")
    before = run.trainer.export_memory()
    weight = run.trainer.network.weight["output.kernel"]
    good = weight.numpy()
    bad = good.copy()
    bad[0, 0] = np.inf
    weight.assign(bad)
    update = run.trainer.update(run.batches[0], 0)
    assert not update.applied
    weight.assign(good)
    after = run.trainer.export_memory()
    assert all((before[name] == after[name]).all() for name in before)
    assert run.trainer.update(run.batches[0], 0).applied


def test_an_interruption_before_any_evaluation_can_be_sampled_from(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    run = plan(path)
    interrupt(run, at=1)
    saved = checkpoint.load(path)
    assert saved.card.metrics == {}
    trained = run.trainer.export_weights()
    assert (saved.weights["output.kernel"] == trained["output.kernel"]).all()


@pytest.mark.parametrize("rate", [None, 2.0])
def test_a_finished_model_learns_on_and_never_gets_worse(
    tmp_path: Path, rate: float | None
) -> None:
    from seqgen.training.events import Evaluated, Started
    from seqgen.training.launch import plan_run
    from seqgen.training.metrics import metrics_path

    path = tmp_path / "model.safetensors"
    finish(plan(path, steps=100, learning_rate=0.02, dropout=0.0))
    lines = len(metrics_path(path).read_text().splitlines())
    start = checkpoint.load(path)
    run = plan_run(
        TRAINING,
        VALIDATION,
        TOKENIZER,
        Wishes(steps=3, batch_size=4, seq_length=16, learning_rate=rate),
        path,
        description={},
        resumable={},
        start=start,
    )
    assert (run.trainer.export_weights()["embedding"] == start.weights["embedding"]).all()
    events = finish(run)
    assert isinstance(events[0], Started)
    assert events[0].model == start.card.model
    assert isinstance(events[1], Evaluated)  # what has to be improved on
    assert events[1].score.nats_per_unit == pytest.approx(start.card.metrics["nats_per_char"])
    after = checkpoint.load(path).card.metrics["nats_per_char"]
    assert after <= events[1].score.nats_per_unit
    if rate is not None:  # that rate ruins it: what it could is kept
        assert after == events[1].score.nats_per_unit
    assert len(metrics_path(path).read_text().splitlines()) > lines


def test_resuming_writes_no_step_twice(tmp_path: Path) -> None:
    from seqgen.training.metrics import metrics_path

    path = tmp_path / "model.safetensors"
    interrupt(plan(path), at=5)
    with metrics_path(path).open("a") as file:
        file.write('{"step": 6, "loss_nats": 1}\n{"step": 7, "loss')  # killed after the save
    finish(resume(path))
    lines = [json.loads(line) for line in metrics_path(path).read_text().splitlines()]
    steps = [line["step"] for line in lines if "loss_nats" in line]
    assert steps == list(range(1, 13))


def test_a_full_disk_stops_the_metrics_but_nothing_else(tmp_path: Path) -> None:
    from seqgen.training.metrics import MetricsFile

    metrics = MetricsFile(tmp_path / "metrics.jsonl", after_step=None)
    metrics._stream.close()
    metrics._stream = io.FileIO("/dev/full", "a")
    metrics.write({"step": 1})
    assert metrics.problem is not None
    assert metrics.problem.endswith("no more metrics: no space left on device")
    metrics.write({"step": 2})
    metrics.close()


def test_too_large_a_batch_says_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    run = plan(tmp_path / "model.safetensors")

    def fail(*_: object, **__: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(run.trainer, "update", fail)
    with pytest.raises(TrainingError, match="lower --hidden, --layers, --batch-size or --seq"):
        finish(run)


def test_a_budget_becomes_a_number_of_steps(tmp_path: Path) -> None:
    # A step takes milliseconds, so twenty seconds are hundreds, even beside other work.
    run = plan(
        tmp_path / "model.safetensors", arch="lstm", layers=1, steps=None, budget_seconds=20.0
    )
    assert run.config.steps > 20
    assert 1 <= run.config.steps // run.config.evaluate_every <= 12


def test_counting_the_steps_leaves_no_trace(tmp_path: Path) -> None:
    """A run by a budget is the run of so many steps, though its trainer has been tried."""
    wishes = {"arch": "lstm", "layers": 1, "ema": 0.9}
    counted = plan(tmp_path / "a.safetensors", steps=None, budget_seconds=30.0, **wishes)
    exact = plan(tmp_path / "b.safetensors", steps=counted.config.steps, **wishes)
    assert [file.name for file in tmp_path.iterdir()] == []
    for step in range(3):
        updates = [r.trainer.update(r.batches[step], step) for r in (counted, exact)]
        assert updates[0].loss_nats == updates[1].loss_nats
    memories = [r.trainer.export_memory() for r in (counted, exact)]
    assert all((memories[0][name] == memories[1][name]).all() for name in memories[1])


@pytest.mark.parametrize("steps", [18, 37])
@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_a_run_whose_steps_were_mended_is_the_run_of_so_many(
    arch: Architecture, steps: int, tmp_path: Path
) -> None:
    from seqgen.training.budget import Budget
    from seqgen.training.events import Ended, Recounted

    class Mending(Budget):
        def mend(
            self, config: TrainingConfig, _pace: object, step: int, seconds: float
        ) -> TrainingConfig | None:
            assert (step == 0) or seconds > 0
            return dataclasses.replace(config, steps=steps) if step == 7 else None

    path = tmp_path / "a.safetensors"
    run = plan(path, arch=arch, layers=1, steps=20)
    run.budget = Mending(10.0, 0.0)
    events = finish(run)
    assert [event.steps for event in events if isinstance(event, Recounted)] == [steps]
    assert isinstance(events[-1], Ended)
    assert events[-1].step == steps
    saved = checkpoint.load(path)
    assert saved.card.recipe["steps"] == steps

    exact = plan(tmp_path / "b.safetensors", arch=arch, layers=1, steps=steps)
    exact.config = exact.trainer.config = run.config
    finish(exact)
    weights = checkpoint.load(tmp_path / "b.safetensors").weights
    assert all((saved.weights[name] == weights[name]).all() for name in weights)


def test_a_run_counts_its_steps_by_the_clock(tmp_path: Path) -> None:
    """Twice as many as before where there is time for many more, half as many where there is none,
    of those still to come; and after a third of them, three fifths and so on."""
    from seqgen.training.budget import Budget, Costs
    from seqgen.training.events import Recounted

    for left, expected in ((1e6, [66, 92, 110, 121]), (-1e6, [27, 22, 20])):
        run = plan(tmp_path / f"{left}.safetensors", arch="rnn", layers=1, steps=40)
        run.budget = Budget(0.001, left, clock=lambda: 0.0)
        run.costs = Costs(0.05, 0.0, 0.0)
        events = finish(run)
        assert [event.steps for event in events if isinstance(event, Recounted)] == expected


def test_what_is_shown_is_no_training(tmp_path: Path) -> None:
    import time

    from seqgen.training.events import Ended, Evaluated

    run = plan(tmp_path / "model.safetensors", arch="rnn", layers=1, steps=4)
    began = time.perf_counter()
    for event in run.events(stop=lambda: False):
        if isinstance(event, Evaluated):
            time.sleep(0.5)
    assert isinstance(event, Ended)
    assert event.seconds <= time.perf_counter() - began - 4 * 0.5


def test_a_budget_too_small_says_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"allow at least \d+ s"):
        plan(tmp_path / "model.safetensors", steps=None, budget_seconds=0.01)


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = plan(tmp_path / "file" / "model.safetensors")
    with pytest.raises(OutputError, match="can't make this folder"):
        finish(run)
