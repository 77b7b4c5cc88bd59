"""The index of a corpus's runs: what it knows, its size, and what it refuses to be made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus import runs
from seqgen.corpus.documents import LARGE, Corpus, Document, FileDocument, Kind
from seqgen.corpus.runs import RunIndex, build, described, joined, parameters
from seqgen.music.abc.transposable import Transposable
from tests.support import TUNES


def corpus(*texts: str, kind: Kind = "text") -> Corpus:
    documents = tuple(Document(text, "made", len(text)) for text in texts)
    return Corpus("made", kind, documents)


def known(index: RunIndex | None, text: str, kind: str = "text") -> list[bool]:
    assert index is not None
    found: list[bool] = index.holds(runs.runs(text, kind, index.length)).tolist()
    return found


@given(
    texts=st.lists(st.text("abcd", max_size=80), min_size=1, max_size=4),
    most=st.sampled_from([1, 9, 30, 1000]),
    more=st.integers(0, 60),
)
def test_it_knows_every_run_that_is_in_it(texts: list[str], most: int, more: int) -> None:
    whole = build(corpus(*texts))
    stride = max(1, -(-sum(map(len, texts)) // most))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs, "MOST_RUNS", most)
        patched.setattr(runs, "BLOCK", stride + more)
        index = build(corpus(*texts))
    assert index is not None
    assert whole is not None
    assert index.stride == stride
    assert index.same(whole) or stride > 1  # wherever it is cut into blocks
    for text in texts:
        assert all(known(index, text)[:: index.stride])


def test_of_others_it_knows_about_one_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnop"))
    inside, outside = ("".join(rng.choice(letters, 20_000)) for _ in range(2))
    index = build(corpus(inside))
    assert index is not None
    assert all(known(index, inside))
    assert 0.004 < np.mean(known(index, outside)) < 0.013
    assert len(index.bits) == pytest.approx(20_000 * 10 / 8, rel=0.01)


def test_a_large_text_takes_no_more() -> None:
    letters = np.random.default_rng(0).integers(97, 123, 1_200_000, dtype=np.uint8)
    index = build(corpus(letters.tobytes().decode()))
    assert index is not None
    assert index.stride == 5
    assert len(index.bits) <= 320 << 10


def test_a_tune_is_known_in_every_key_and_without_its_heading() -> None:
    text = TUNES.split("\n\n")[1]
    index = build(corpus(text.split("\n", 2)[2], kind="abc"))
    moved = Transposable(text).moved(3)
    assert moved is not None
    assert len(known(index, moved, "abc")) == len(known(index, text, "abc")) == 6
    assert all(known(index, moved, "abc"))
    assert not any(known(index, "X:1\nK:C\nCDEFGABcCDEFGABc|", "abc"))


def test_many_tunes_take_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    index = build(corpus(TUNES, TUNES, kind="abc"))
    assert index is not None
    assert index.stride == 1
    monkeypatch.setattr(runs, "MOST_RUNS", 4)  # of twice eight or so that are played
    fewer = build(corpus(*TUNES.split("\n\n"), kind="abc"))
    assert fewer is not None
    assert fewer.stride > 1
    assert all(known(fewer, TUNES.split("\n\n")[1], "abc")[:: fewer.stride])


def test_what_has_no_index(tmp_path: Path) -> None:
    assert build(corpus("Bar_None\n", kind="midi")) is None
    large = FileDocument(tmp_path / "gone", "utf-8", "gone", 0, LARGE + 1, (0, 0))
    assert build(Corpus("made", "text", (large,))) is None
    many = Document("X:1\nK:C\nC|\n", "made", runs.MOST_TUNES + 1)
    assert build(Corpus("made", "abc", (many,))) is None
    one = Document(TUNES, "made", runs.LONGEST_TUNE + 1)
    index = build(Corpus("made", "abc", (one,)))
    assert index is not None
    assert not index.bits.any()


def test_of_several_corpora() -> None:
    first, second, third = (build(corpus(letter * 30)) for letter in "abc")
    assert first is not None
    assert second is not None
    assert joined((), first) == ()
    assert joined((first,), None) == ()
    assert joined((first, second), build(corpus("a" * 30)))[0] is second
    assert len(joined((first, second), third)) == 3
    many = tuple(build(corpus(f"{number:030}")) for number in range(16))
    assert joined(many, first) == (*many[1:], first)  # type: ignore[arg-type]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["length", "stride"]), inner)
        ),
    )
)
def test_what_describes_no_index_is_refused(found: object) -> None:
    try:
        accepted = parameters(found)
    except ValueError:
        return
    assert found == [{"length": length, "stride": stride} for length, stride in accepted]


def test_its_description_is_read_back() -> None:
    index = build(corpus("a" * 30))
    assert index is not None
    assert parameters(described([index, index])) == [(16, 1), (16, 1)]
    with pytest.raises(ValueError, match="too many"):
        parameters(described([index] * 17))
