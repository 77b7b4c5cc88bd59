"""Byte-pair encoding: ours beside that of `tokenizers`, and what is learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus import readers
from seqgen.errors import UsageError
from seqgen.tokenization import Tokenizer, bpe
from seqgen.tokenization.tokenizer import FIRST_PIECE

ROOT = Path(__file__).parents[2]
# The programs of this project, and English.
TEXT = "".join(f.read_text(encoding="utf-8") for f in sorted((ROOT / "seqgen").rglob("*.py")))
UNSEEN = (ROOT / "README.md").read_text(encoding="utf-8")
learnt = Tokenizer.learn("bpe", [TEXT], size=600)


def reference(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The same vocabulary and merges in the other implementation; its ids are ours less 17."""
    vocabulary = {piece: i for i, piece in enumerate(tokenizer.pieces)}
    return tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, list(tokenizer.merges)))


def known_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """The words that `tokenizers` can spell, which has no half bytes."""
    return [word for word in bpe.words(text) if set(word) <= set(tokenizer.pieces)]


def assert_same_ids(tokenizer: Tokenizer, text: str) -> None:
    words = known_words(tokenizer, text)
    theirs = reference(tokenizer).encode(words, is_pretokenized=True).ids
    assert tokenizer.encode("".join(words)).tolist() == [FIRST_PIECE + i for i in theirs]


def test_ids_are_those_of_tokenizers_on_text() -> None:
    words = known_words(learnt, UNSEEN)
    assert len("".join(words)) > 0.95 * len(UNSEEN)
    # Words that can't be spelled are left out, so that others could meet in a new word.
    for word in set(words):
        theirs = reference(learnt).encode(word).ids
        assert learnt.encode(word).tolist() == [FIRST_PIECE + i for i in theirs], word


def test_ids_are_those_of_tokenizers_on_tunes() -> None:
    documents = [document.text for document in readers.load([]).documents]
    tokenizer = Tokenizer.learn("bpe", documents[:300])
    for text in documents[300:400]:
        if set(text) <= set(tokenizer.pieces):
            assert_same_ids(tokenizer, text)


@given(
    texts=st.lists(st.text("abc' ", max_size=40), max_size=8),
    size=st.integers(FIRST_PIECE + 5, 60),
    text=st.text("abc' "),
)
def test_ids_are_those_of_tokenizers_whatever_was_learnt(
    texts: list[str], size: int, text: str
) -> None:
    tokenizer = Tokenizer.learn("bpe", ["abc' ", *texts] * bpe.LEAST, size=size)
    assert_same_ids(tokenizer, text)


@given(text=st.text() | st.text("ab1 \n\t.|"))
def test_words_join_to_the_text_and_are_bounded(text: str) -> None:
    found = bpe.words(text)
    assert "".join(found) == text
    assert max(map(len, found), default=0) < 150


def test_a_long_text_without_spaces_is_encoded() -> None:
    genome = "ACGTTGCA" * 20_000
    tokenizer = Tokenizer.learn("bpe", [genome], size=FIRST_PIECE + 10)
    ids = tokenizer.encode(genome)
    assert len(ids) < len(genome) / 2
    assert tokenizer.decode(ids) == genome


def test_the_words_of_prose_and_of_tunes() -> None:
    assert bpe.words("Don't say 'no', sir.\n\nGo!\n  to  it") == [
        "Don't", " say", " 'no", "',", " sir", ".\n\n", "Go", "!\n", " ", " to", " ", " it",
    ]  # fmt: skip
    assert bpe.words("A2 ^f/g|d2 :|\n|:d") == ["A2", " ^f/g|d2", " :|\n", "|:", "d"]


def test_what_is_learnt_is_every_character_then_frequent_pieces() -> None:
    characters = sorted(set(TEXT))
    assert learnt.size == 600
    assert list(learnt.pieces[: len(characters)]) == characters
    assert " the" in learnt.pieces
    assert max(map(len, learnt.pieces)) <= bpe.LONGEST
    again = Tokenizer.learn("bpe", [TEXT], size=600)
    assert (again.pieces, again.merges) == (learnt.pieces, learnt.merges)
    assert len(learnt.encode(UNSEEN)) < len(UNSEEN) / 1.7


def test_the_default_size_grows_with_the_corpus_and_takes_every_character() -> None:
    part = TEXT[: len(TEXT) // 8]
    assert 100 < Tokenizer.learn("bpe", [part]).size < Tokenizer.learn("bpe", [TEXT]).size < 2000
    script = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    assert Tokenizer.learn("bpe", [script]).size == FIRST_PIECE + 20_000


def test_a_size_below_the_characters_says_the_least() -> None:
    least = FIRST_PIECE + len(set(TEXT))
    with pytest.raises(UsageError, match=f"at least {least}$"):
        Tokenizer.learn("bpe", [TEXT], size=least - 1)
    plain = Tokenizer.learn("bpe", [TEXT], size=least)
    assert (plain.encode(TEXT) == Tokenizer.learn("char", [TEXT]).encode(TEXT)).all()


def test_a_size_beyond_the_corpus_is_not_reached() -> None:
    tokenizer = Tokenizer.learn("bpe", ["abab cdcd " * 10], size=10_000)
    assert tokenizer.size < 40


def test_bytes_that_are_no_text_are_spelled_not_learnt() -> None:
    text = "caf\udce9 " * 10
    tokenizer = Tokenizer.learn("bpe", [text])
    assert "\udce9" not in "".join(tokenizer.pieces)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_word_is_merged_as_learnt_even_where_a_piece_spells_it() -> None:
    merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    tokenizer = Tokenizer("bpe", ["a", "b", "c", "bc", "ab", "abc"], merges)
    assert [tokenizer.decode([token]) for token in tokenizer.encode("abc")] == ["a", "bc"]
