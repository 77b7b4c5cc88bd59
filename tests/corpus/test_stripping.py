"""Titles and numbers out of a corpus, and back before what a model of the rest has written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.split import split
from seqgen.corpus.stripping import Strip, split_heading, strip, strip_corpus, with_heading
from seqgen.errors import UsageError
from seqgen.music.abc.grammar import Grammar

TUNE = (
    "X:7\nT:One\nT:Another\n+:that is long\nC:Trad.\nT:A third\nM:3/4\nK:G\n"
    "T:|GAB|]\nT:Part two\nABc|]\n"
)


def test_what_is_left_out_and_what_is_not() -> None:
    assert strip(TUNE, "numbers") == TUNE.removeprefix("X:7\n")
    # In the music, T:| is a trill before a repeat.
    assert strip(TUNE, "titles") == "C:Trad.\nM:3/4\nK:G\nT:|GAB|]\nABc|]\n"


def make_corpus(kind: str = "abc") -> Corpus:
    tunes = [f"X:{i}\nT:{'long ' * i}\nK:C\n{'CDEF'[i % 4 :]}{i}|]\n" for i in range(20)]
    documents = [Document(text, "made", len(text) + 1) for text in [*tunes, "X:99\nT:No music\n"]]
    return Corpus("made", kind, tuple(documents))  # type: ignore[arg-type]


def test_characters_are_those_that_are_left() -> None:
    corpus = make_corpus()
    bare = strip_corpus(corpus, "titles")
    assert len(bare.documents) == 20
    assert all("T:" not in document.text for document in bare.documents)
    assert all(document.characters == len(document.text) + 1 for document in bare.documents)
    assert bare.digest != corpus.digest
    with pytest.raises(UsageError, match="is for tunes"):
        strip_corpus(make_corpus("text"), "titles")


def test_the_same_tunes_are_held_back() -> None:
    _, whole = split(make_corpus(), fraction=0.3, seed=1)
    _, bare = split(strip_corpus(make_corpus(), "numbers"), fraction=0.3, seed=1)
    kept = {strip(document.text, "numbers") for document in whole.documents}
    assert len(kept & {document.text for document in bare.documents}) >= len(kept) - 2


@pytest.mark.parametrize(
    ("prompt", "what", "heading", "rest"),
    [
        ("", "titles", "X:3\nT:Untitled\n", ""),
        ("", "numbers", "X:3\n", ""),
        ("M:6/8\n", "titles", "X:3\nT:Untitled\n", "M:6/8\n"),
        ("X:5\nT:Mine\nK:G\n", "titles", "X:5\nT:Mine\n", "K:G\n"),
        ("X:5\nT:Mine\nK:G\n", "numbers", "X:5\n", "T:Mine\nK:G\n"),
        ("T:Mine", "titles", "X:3\nT:Mine\n", ""),
        ("X:5", "titles", "X:5\nT:Untitled\n", ""),
        ("X:5\nT:One\nT:Two\nR:reel", "titles", "X:5\nT:One\nT:Two\n", "R:reel"),
    ],
)
def test_a_tune_begins_with_its_own_lines_or_with_others(
    prompt: str, what: Strip, heading: str, rest: str
) -> None:
    whole = with_heading(prompt, what, number=3)
    assert whole == heading + rest
    number, titles, others = split_heading(whole, what)
    assert (number + titles, others) == (heading, rest)
    assert Grammar().read(Grammar().start(), heading) is not None


def test_nothing_stripped_hides_nothing() -> None:
    assert split_heading(TUNE, None) == ("", "", TUNE)


@given(st.text(alphabet="XT:|\n a1", max_size=40))
def test_a_heading_is_given_once(prompt: str) -> None:
    whole = with_heading(prompt)
    assert with_heading(whole) == whole
    assert whole.startswith("X:")
