"""How likely a text is: as stepping through it says, whatever it is read together with."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint, files
from seqgen.checkpoint import Checkpoint
from seqgen.config import Architecture
from seqgen.models import decoders
from seqgen.sampling import scoring
from seqgen.sampling.filters import log_softmax
from seqgen.sampling.likelihood import Scorer, tokens
from seqgen.sampling.scoring import By, Judge, Verdict
from seqgen.tokenization import BOUNDARY, Scheme
from tests.support import ARCHITECTURES, TUNES

MakeModel = Callable[..., Path]
SCHEMES: tuple[Scheme, ...] = ("char", "abc", "bpe")


def slowly(saved: Checkpoint, text: str, *, closed: bool) -> float:
    """-ln p of a text, stepping through it."""
    decoder = decoders.build(saved.card.model, saved.weights)
    state = decoder.start(1)
    last, nats = BOUNDARY, 0.0
    for token in [*saved.card.tokenizer.encode(text).tolist(), *[BOUNDARY] * closed]:
        logits, state = decoder.step(np.array([last], np.int32), state)
        nats -= log_softmax(logits[0])[token]
        last = token
    return nats


def judged(saved: list[Checkpoint], path: Path, by: By | None = None) -> list[Verdict]:
    judge = Judge([Scorer(each) for each in saved], by)
    return [each for together in judge.judge(str(path)) for each in together]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_what_stepping_says(
    arch: Architecture, scheme: Scheme, make_model: MakeModel
) -> None:
    saved = checkpoint.load(make_model(arch, scheme=scheme))
    texts = ["", "X", TUNES, "G2 B2|d2 B2|", "naïve ☃\n", TUNES[::-1], "\n\n"]
    for closed in (False, True):
        found = Scorer(saved).score(texts, closed=closed)
        for text, surprise in zip(texts, found, strict=True):
            expected = slowly(saved, text, closed=closed)
            assert float(surprise.nats.sum(dtype=float)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_neither_order_nor_company_matters(arch: Architecture, make_model: MakeModel) -> None:
    scorer = Scorer(checkpoint.load(make_model(arch)))
    rng = np.random.default_rng(0)
    texts = [TUNES[: int(rng.integers(0, len(TUNES)))] for _ in range(150)]
    together = scorer.score(texts, closed=True)
    shuffled = rng.permutation(len(texts)).tolist()
    for place, other in zip(
        shuffled, scorer.score([texts[at] for at in shuffled], closed=True), strict=True
    ):
        np.testing.assert_allclose(together[place].nats, other.nats, atol=1e-5)
        np.testing.assert_array_equal(together[place].ids, other.ids)
    for place in (0, 77, 149):
        (alone,) = scorer.score([texts[place]], closed=True)
        np.testing.assert_allclose(together[place].nats, alone.nats, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_text_in_parts_is_the_text(
    arch: Architecture, scheme: Scheme, make_model: MakeModel
) -> None:
    saved = checkpoint.load(make_model(arch, scheme=scheme))
    lines = (TUNES * 3).splitlines(keepends=True)
    reading = Scorer(saved).begin()
    parts = sum(float(reading.feed(line).nats.sum(dtype=float)) for line in lines if line.strip())
    whole = "".join(line for line in lines if line.strip())
    assert parts == pytest.approx(slowly(saved, whole, closed=False), abs=2e-4)


def test_tokens_are_the_text_and_all_of_its_surprise(make_model: MakeModel) -> None:
    saved = checkpoint.load(make_model())
    scorer = Scorer(saved)
    (surprise,) = scorer.score(["G2é☃B\n"], closed=True)
    found = list(tokens(saved.card.tokenizer, surprise))
    assert [text for text, _ in found] == ["G", "2", "é", "☃", "B", "\n", ""]
    assert sum(nats for _, nats in found) == pytest.approx(float(surprise.nats.sum()), abs=1e-4)
    assert scorer.spelled == {"é": 1, "☃": 1}


def test_lines_tunes_and_files(make_model: MakeModel, tmp_path: Path) -> None:
    saved = checkpoint.load(make_model())
    path = tmp_path / "tunes.abc"
    one, two = (part + "\n" for part in TUNES.rstrip().replace("L:1/8\n", "", 1).split("\n\n"))
    path.write_text(f"L:1/16\n\nprose\n\n{one}\n{two}")
    first, second = judged([saved], path)
    # A tune is what it is as a document of a corpus: what its file's header says is in it.
    text = one.replace("T:The First\n", "T:The First\nL:1/16\n")
    assert (first.line, first.text, first.units) == (5, "The First", len(text) + 1)
    assert first.nats[0] == pytest.approx(slowly(saved, text, closed=True), abs=1e-4)
    assert (second.line, second.text, second.units) == (11, "The Second", len(two) + 1)
    assert second.nats[0] == pytest.approx(slowly(saved, two, closed=True), abs=1e-4)
    (whole,) = judged([saved], path, "file")
    assert whole.line is None
    assert whole.units == first.units + second.units
    assert whole.nats[0] == pytest.approx(first.nats[0] + second.nats[0])
    lines = judged([saved], path, "line")
    assert [each.text for each in lines] == path.read_text().splitlines()
    assert lines[4].nats[0] == pytest.approx(slowly(saved, "X:1\n", closed=False), abs=1e-4)


@pytest.mark.parametrize("by", ["line", "tune"])
def test_the_first_answers_come_before_all_is_looked_at(
    by: By, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.load(make_model())
    path = tmp_path / "tunes.abc"
    path.write_text(f"{TUNES}\n" * 20)
    whole = judged([saved], path, by)
    monkeypatch.setattr(scoring, "BLOCK", 300)
    parts = list(Judge([Scorer(saved)], by).judge(str(path)))
    assert len(parts) > 5
    found = [each for part in parts for each in part]
    assert [(each.line, each.text, each.units) for each in found] == [
        (each.line, each.text, each.units) for each in whole
    ]
    assert [each.nats[0] for each in found] == pytest.approx([each.nats[0] for each in whole])


def test_the_likelier_model(make_model: MakeModel, tmp_path: Path) -> None:
    saved = [
        checkpoint.load(make_model(name=f"m{seed}", seed=seed, scheme=scheme))
        for seed, scheme in ((0, "char"), (1, "abc"))
    ]
    path = tmp_path / "tunes.abc"
    path.write_text(TUNES)
    for both in judged(saved, path):
        assert both.bits_per_unit[both.best] == min(both.bits_per_unit)
    for place, each in enumerate(saved):
        alone = judged([each], path)
        both = judged(saved, path)
        assert [one.nats[0] for one in alone] == pytest.approx([two.nats[place] for two in both])


@pytest.mark.parametrize("by", ["file", "line"])
def test_memory_does_not_grow_with_the_input(
    by: By, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 1 << 13)
    monkeypatch.setattr(scoring, "BLOCK", 1 << 12)
    judge = Judge([Scorer(checkpoint.load(make_model("rnn", kind="text")))], by)
    line = "to be or not to be that is the question\n"
    peaks = []
    for count in (10, 500, 2000):  # the first fills caches
        path = tmp_path / f"{count}.txt"
        path.write_text(line * count)
        tracemalloc.start()
        units = sum(each.units for together in judge.judge(str(path)) for each in together)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert units == count * len(line)
    assert peaks[2] < 1.2 * peaks[1], peaks


@pytest.mark.slow
@pytest.mark.parametrize("by", ["file", "line"])
def test_five_megabytes_take_no_more_than_five_kilobytes(
    by: By, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model("rnn", kind="text", text="to be or not\n")
    command = (
        "import resource, sys; from seqgen.cli.main import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks_kb = []
    for count in (125, 125_000):
        path = tmp_path / "text.txt"
        path.write_text("to be or not to be, that is the question\n" * count)
        options = ["score", "-q", "-m", str(model), "--by", by, str(path)]
        done = subprocess.run(
            [sys.executable, "-c", command, *options], capture_output=True, check=True
        )
        peaks_kb.append(int(done.stderr.split()[-1]))
    assert peaks_kb[1] < peaks_kb[0] + 80_000, peaks_kb
