"""Vocabularies of large corpora."""

from __future__ import annotations

import pytest

from seqgen.cli import tokens
from seqgen.corpus.documents import Corpus, Document


def test_byte_pairs_are_learnt_from_a_part_that_is_taken_from_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [f"{letter} one and two\n" * 5 for letter in "abcdefgh"]
    corpus = Corpus("some", "text", tuple(Document(text, "some", len(text)) for text in texts))
    whole = tokens.learn(corpus, {"tokens": "bpe"})
    assert set("abcdefgh") <= set(whole.pieces)
    monkeypatch.setattr(tokens, "BPE_CHARACTERS", corpus.characters // 2)
    part = tokens.learn(corpus, {"tokens": "bpe"})
    assert set("cg") <= set(part.pieces)
    assert not set("bfh") & set(part.pieces)
    assert all(part.decode(part.encode(text)) == text for text in texts)
    # Characters are cheap to count: none is left out.
    assert set("abcdefgh") <= set(tokens.learn(corpus, {"tokens": "char"}).pieces)
