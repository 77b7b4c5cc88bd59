"""What is counted, on a corpus small enough to count by hand."""

from __future__ import annotations

import pytest

from seqgen.corpus.documents import Corpus, Document, Kind
from seqgen.corpus.statistics import Statistics, measure


def corpus_of(*texts: str, kind: Kind = "abc") -> Corpus:
    extra = 1 if kind == "abc" else 0
    return Corpus("some", kind, tuple(Document(t, "some", len(t) + extra) for t in texts))


def test_counts_of_tunes() -> None:
    corpus = corpus_of(
        "X:1\nR:Reel\nM:C\nK:D\nab|\nM:3/4\nK:G\nc|\n",
        "X:2\nR: reel\nM:4/4\nK:D\nab|\nM:3/4\nK:G\nc|\n",
        "X:3\nR:jig\nM:6/8\nK:Ador\nabc|\n",
        "X:4\nK:\nz|\n",
    )

    statistics = measure(corpus)

    assert statistics == Statistics(
        name="some",
        kind="abc",
        digest=corpus.digest,
        documents=4,
        characters=36 + 39 + 28 + 10 + 4,
        distinct_characters=len(set("X:1234\nReljigr MC/468KDGAdoabcz|")),
        duplicates=1,
        length_characters=(10, 10, 28, 36, 39),
        metre={"4/4": 2, "6/8": 1, "none": 1},
        key={"D major": 2, "A dorian": 1, "none": 1},
        rhythm={"reel": 2, "jig": 1},
    )


@pytest.mark.parametrize(
    ("field", "key"),
    [("D", "D major"), ("Bb", "Bb major"), ("F#m", "F# minor"), ("E Minor", "E minor"),
     ("A Mixolydian", "A mixolydian"), ("Gmix", "G mixolydian"), ("DIon", "D major"),
     ("C aeolian", "C minor"), ("D exp ^f", "D explicit"), ("D clef=bass", "D major"),
     ("D % no sharps", "D major"), ("HP", "HP"), ("H", "H"), ("Es", "Es"), ("none", "none"),
     ("clef=alto", "clef=alto")],
)  # fmt: skip
def test_keys(field: str, key: str) -> None:
    assert measure(corpus_of(f"X:1\nK:{field}\na|\n")).key == {key: 1}


def test_counts_of_text() -> None:
    statistics = measure(corpus_of("M:3/4 aa\n", "b", "b", kind="text"))

    assert (statistics.documents, statistics.characters, statistics.duplicates) == (3, 11, 1)
    assert statistics.length_characters == (1, 1, 1, 1, 9)
    assert statistics.metre == statistics.key == statistics.rhythm == {}
