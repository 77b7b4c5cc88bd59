"""The split: a partition, by the documents' contents, near the size asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus.documents import Corpus, Document, Kind
from seqgen.corpus.readers import load
from seqgen.corpus.split import MAX_CHARACTERS, MIN_DOCUMENTS, group_alike, split
from seqgen.errors import InputError, UsageError


def corpus_of(*texts: str, kind: Kind = "abc") -> Corpus:
    extra = 1 if kind == "abc" else 0
    return Corpus("some", kind, tuple(Document(t, "some", len(t) + extra) for t in texts))


def tune(number: int, music: str, title: str = "Title") -> str:
    return f"X:{number}\nT:{title}\nK:D\n{music}|\n"


music = st.text("abcdefgABC", min_size=1, max_size=12)
tune_lists = st.lists(st.builds(tune, st.integers(1, 99), music, music), min_size=2, max_size=40)
fractions = st.floats(0.01, 0.5)
seeds = st.integers(0, 2**32)


@given(tune_lists, fractions, seeds)
def test_split_is_a_partition_near_the_size_with_duplicates_together(
    texts: list[str], fraction: float, seed: int
) -> None:
    corpus = corpus_of(*texts)
    groups = group_alike(corpus)
    if len(groups) < 2:
        with pytest.raises(InputError, match=r"too small to split.*--validation FILE"):
            split(corpus, fraction=fraction, seed=seed)
        return

    training, validation = split(corpus, fraction=fraction, seed=seed)

    assert training.documents
    assert validation.documents
    assert Counter(training.documents) + Counter(validation.documents) == Counter(corpus.documents)
    for part in (training, validation):
        order = [id(document) for document in part.documents]
        assert order == [id(d) for d in corpus.documents if id(d) in set(order)]
    held_back = {id(document) for document in validation.documents}
    for group in groups:
        assert len({id(document) in held_back for document in group}) == 1
    sizes = [sum(d.characters for d in group) for group in groups]
    target = fraction * corpus.characters
    if min(sizes) >= 2 * target:
        assert validation.characters == min(sizes)
    else:
        assert abs(validation.characters - target) <= max(sizes) / 2


@given(tune_lists, fractions, seeds, st.randoms(use_true_random=False))
def test_split_does_not_hang_on_the_order_of_the_documents(
    texts: list[str], fraction: float, seed: int, random: Random
) -> None:
    distinct = [
        tune(n, f"{text.split()[-1]}{'abcdefg'[n % 7] * n}") for n, text in enumerate(texts)
    ]
    shuffled = random.sample(distinct, len(distinct))

    _, one = split(corpus_of(*distinct), fraction=fraction, seed=seed)
    _, two = split(corpus_of(*shuffled), fraction=fraction, seed=seed)

    assert {d.text for d in one.documents} == {d.text for d in two.documents}


def test_seeds_choose_different_documents() -> None:
    corpus = corpus_of(*(tune(n, "abc" * n) for n in range(1, 60)))
    choices = {split(corpus, fraction=0.1, seed=seed)[1].digest for seed in range(8)}

    assert len(choices) == 8


def test_split_is_the_same_under_another_hash_seed() -> None:
    program = (
        "from seqgen.corpus.readers import load\n"
        "from seqgen.corpus.split import split\n"
        "print(split(load([]), fraction=0.1, seed=5)[1].digest)\n"
    )
    here = split(load([]), fraction=0.1, seed=5)[1].digest
    for hash_seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == here


def test_an_added_tune_leaves_the_others_on_their_sides() -> None:
    tunes = [tune(n, "abcdefg" * 10 + "a" * n) for n in range(1, 100)]
    _, before = split(corpus_of(*tunes), fraction=0.1, seed=1)
    _, after = split(corpus_of(tune(1, "gfe" * 25), *tunes), fraction=0.1, seed=1)

    moved = {d.text for d in before.documents} ^ {d.text for d in after.documents}
    assert len(moved) <= 3


@pytest.mark.parametrize(
    "like",
    [
        tune(7, "abc def", title="Another name"),
        "X:1\nT:Title\nC:Composer\nM:6/8\nK:D\nabcdef|\n",
        "X:1\nK:D\nabc def|% a comment\nw:some words\n",
        "X:1\nK:D\nabc \\\ndef|!\n",
    ],
)
def test_tunes_alike_but_for_titles_fields_and_spaces_are_duplicates(like: str) -> None:
    assert len(group_alike(corpus_of(tune(1, "abc def"), like))) == 1


def test_other_notes_or_no_notes_are_no_duplicates() -> None:
    corpus = corpus_of(tune(1, "abc"), tune(1, "abC"), "X:1\nT:A\nK:D\n", "X:2\nT:B\nK:D\n")

    assert len(group_alike(corpus)) == 4


@given(st.text(min_size=100, max_size=400), fractions)
def test_one_text_is_cut_as_nanogpt_cuts_it(text: str, fraction: float) -> None:
    at = int(len(text) * (1 - fraction))
    corpus = corpus_of(text, kind="text")
    if len(text) - at < 10:
        with pytest.raises(InputError, match="too small to split"):
            split(corpus, fraction=fraction, seed=0)
        return

    training, validation = split(corpus, fraction=fraction, seed=0)

    assert [d.text for d in training.documents] == [text[:at]]
    assert [d.text for d in validation.documents] == [text[at:]]
    assert training.characters + validation.characters == corpus.characters


def test_a_few_texts_each_give_their_end_and_many_go_whole() -> None:
    texts = [f"{n} " + "word " * 40 for n in range(MIN_DOCUMENTS)]

    _, few = split(corpus_of(*texts[:-1], kind="text"), fraction=0.1, seed=0)
    _, many = split(corpus_of(*texts, kind="text"), fraction=0.1, seed=0)

    assert [d.text for d in few.documents] == [t[int(len(t) * 0.9) :] for t in texts[:-1]]
    assert [d.text in texts for d in many.documents] == [True]


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_ten_copies_of_one_text_are_cut_like_one(fraction: float) -> None:
    corpus = corpus_of(*["so many words " * 20] * MIN_DOCUMENTS, kind="text")

    assert len(split(corpus, fraction=fraction, seed=0)[0].documents) == MIN_DOCUMENTS


def test_notes_beside_a_novel_do_not_become_the_validation_part() -> None:
    novel = "a long story " * 1000
    corpus = corpus_of(novel, *(f"note {n}" for n in range(20)), kind="text")

    _, validation = split(corpus, fraction=0.1, seed=0)

    assert validation.documents[0].text == novel[int(len(novel) * 0.9) :]


def test_of_a_large_corpus_no_more_is_held_back_than_helps() -> None:
    text = "a long story " * (20 * MAX_CHARACTERS // 13)

    training, validation = split(corpus_of(text, kind="text"), fraction=0.1, seed=0)

    assert validation.characters == pytest.approx(MAX_CHARACTERS, abs=1)
    assert training.characters + validation.characters == len(text)


@pytest.mark.parametrize("fraction", [0, -0.1, 0.51, 1, float("nan"), float("inf")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match=r"above 0 and at most 0\.5"):
        split(corpus_of(tune(1, "a"), tune(2, "b")), fraction=fraction, seed=0)


def test_a_small_corpus_says_how_small() -> None:
    with pytest.raises(InputError, match=r"holds 1 tune; .*--validation FILE"):
        split(corpus_of(tune(1, "abc")), fraction=0.1, seed=0)
    with pytest.raises(InputError, match=r"holds 2 tunes, all alike; "):
        split(corpus_of(tune(1, "abc"), tune(2, "abc")), fraction=0.1, seed=0)
    with pytest.raises(InputError, match=r"0\.1 of its 20 characters is fewer than 10"):
        split(corpus_of("x" * 20, kind="text"), fraction=0.1, seed=0)
