"""A large corpus is learnt from in the same way as a small one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqgen.config import TrainingConfig
from seqgen.corpus import documents
from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.readers import load
from seqgen.tokenization import Tokenizer, encoded
from seqgen.training.data import Data
from seqgen.training.plan import Wishes, plan_training
from tests.support import ARCHITECTURES, make_config


def config(**wishes: object) -> TrainingConfig:
    asked = Wishes(batch_size=4, seq_length=32, **wishes)  # type: ignore[arg-type]
    return plan_training(asked, kind="text", tokens=0, precision="float32", steps=10, evaluations=1)


def test_batches_from_the_file_are_those_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for number, length in enumerate((9000, 300, 5000)):
        words = rng.choice(["one ", "two ", "three\n"], length)
        (tmp_path / f"{number}.txt").write_text("".join(words))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    held_back = Corpus("held back", "text", (Document("one two\n", "some", 8),))
    small = load([str(tmp_path)])
    tokenizer = Tokenizer.learn("char", small.blocks())
    expected = Data(small, held_back, tokenizer)
    monkeypatch.setattr(documents, "LARGE", 1000)
    monkeypatch.setattr(documents, "BLOCK", 5000)
    corpus = load([str(tmp_path)])
    assert encoded.is_large(corpus)
    data = Data(corpus, held_back, tokenizer)
    assert data.tokens == expected.tokens
    for arch in ARCHITECTURES:
        model = make_config(arch, tokenizer.size)
        ours, theirs = (each.batches(model, config(seed=3)) for each in (data, expected))
        assert ours.steps_per_epoch == theirs.steps_per_epoch > 300
        for step in (*range(20), ours.steps_per_epoch - 1, 2 * ours.steps_per_epoch + 7):
            one, other = ours[step], theirs[step]
            assert one.ids.dtype == one.targets.dtype == np.int32
            assert (one.ids == other.ids).all()
            assert (one.targets == other.targets).all()
            assert one.fresh == other.fresh


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says what is resident")
def test_what_was_read_of_the_file_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = "words and words\n" * (1 << 17)
    monkeypatch.setattr(documents, "LARGE", 1000)
    corpus = Corpus("some", "text", (Document(text, "some", len(text)),))
    encoding = encoded.encode(corpus, Tokenizer.learn("char", ["words and\n"]))
    assert len(encoding.take(np.arange(encoding.tokens))) == len(text)
    lines = Path("/proc/self/smaps").read_text().splitlines()
    (at,) = (number for number, line in enumerate(lines) if f"{tmp_path}/" in line)
    (resident,) = (line for line in lines[at + 1 : at + 8] if line.startswith("Rss:"))
    assert int(resident.split()[1]) < len(text) // 1024 // 4
