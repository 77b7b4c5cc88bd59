"""Tunes move to keys that the collection has, within its compass, as seed and epoch say."""

from __future__ import annotations

from collections import Counter

import pytest

from seqgen.corpus.augmentation import Transpositions
from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.transposable import Transposable
from seqgen.music.compass import compass

# From D to b, and alone in its mode E minor; the last can't be moved.
TEXTS = [
    "X:1\nK:D\nDFAd|]\n",
    "X:2\nK:G Major\nGBdg|]\n",
    "X:3\nK:A\nA,CEa|]\n",
    "X:4\nK:Em\nEGBe|]\n",
    "X:5\nK:none\nEGBe|]\n",
]


def moved(keys: Transpositions, epochs: int) -> list[Counter[int]]:
    drawn = [keys.draw(0, epoch) for epoch in range(epochs)]
    return [Counter(each) for each in zip(*drawn, strict=True)]


def test_each_key_of_the_mode_within_the_compass() -> None:
    counts = moved(Transpositions(TEXTS), 400)
    assert set(counts[0]) == {0, 5, -5}  # D, G, A below
    assert set(counts[1]) == {0, -5, 2}
    assert set(counts[2]) == {0}  # nothing else holds its compass
    assert set(counts[3]) == {0}
    assert set(counts[4]) == {0}


def test_keys_are_as_frequent_as_in_the_collection() -> None:
    texts = ["X:1\nK:C\nCEG|]\n"] * 9 + ["X:2\nK:D\nDFA|]\n"] * 3 + ["X:3\nK:Em\nG,c'|]\n"]
    counts = sum(moved(Transpositions(texts), 300)[9:12], Counter())
    assert counts[-2] / counts.total() == pytest.approx(0.75, abs=0.05)
    assert counts[0] / counts.total() == pytest.approx(0.25, abs=0.05)


def test_what_is_drawn_could_stand_in_the_collection() -> None:
    keys = Transpositions(TEXTS)
    whole = compass(TEXTS)
    assert whole is not None
    for epoch in range(50):
        for text, semitones in zip(TEXTS, keys.draw(3, epoch), strict=True):
            if semitones:
                other = Transposable(text).moved(semitones)
                assert other is not None
                assert parse_tune(other).key.tonic in "DGA"
                low, high = compass([other]) or (0, 0)
                assert whole[0] <= low <= high <= whole[1]


def test_a_draw_is_a_function_of_seed_and_epoch() -> None:
    texts = TEXTS[:2] * 20
    first = Transpositions(texts)
    assert first.draw(1, 7) == Transpositions(texts).draw(1, 7)
    assert first.draw(1, 7) != first.draw(1, 8)
    assert first.draw(1, 7) != first.draw(2, 7)


@pytest.mark.parametrize("texts", [[], ["X:1\nK:HP\nA|]\n"], ["X:1\nK:C\nz|]\n"]])
def test_nothing_to_move(texts: list[str]) -> None:
    assert Transpositions(texts).draw(0, 0) == [0] * len(texts)


def test_first_lines_may_be_missing() -> None:
    bare = [text.split("\n", 1)[1] for text in TEXTS]
    assert Transpositions(bare).draw(0, 1) == Transpositions(TEXTS).draw(0, 1)
