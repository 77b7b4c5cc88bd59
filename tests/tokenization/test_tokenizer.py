from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import UsageError
from seqgen.tokenization import BOUNDARY, Scheme, StreamDecoder, Tokenizer
from tests.support import TUNES

SCHEMES: list[Scheme] = ["char", "abc", "bpe", "remi"]
# Any text at all, and bytes that are none (as Python escapes them).
anything = st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
notation = st.text(alphabet="XTMLK: ABCdefg,'^_=0123456789/|[](){}<>!\"\\-zx\n%")
learnt = {scheme: Tokenizer.learn(scheme, [TUNES] * 5) for scheme in SCHEMES}


@pytest.mark.parametrize("scheme", SCHEMES)
@given(text=anything | notation)
def test_any_text_comes_back(scheme: Scheme, text: str) -> None:
    tokenizer = learnt[scheme]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert ids.dtype == np.int32
    assert all(0 < token < tokenizer.size for token in ids)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(text=anything | notation)
def test_a_stream_gives_the_same_text(scheme: Scheme, text: str) -> None:
    tokenizer = learnt[scheme]
    stream = StreamDecoder(tokenizer)
    pieces = [stream.feed(token) for token in tokenizer.encode(text)]
    assert "".join(pieces) + stream.finish() == text


@given(ids=st.lists(st.integers(0, learnt["char"].size - 1)))
def test_any_ids_decode(ids: list[int]) -> None:
    text = learnt["char"].decode(ids)
    text.encode("utf-8", "surrogateescape")


def test_notes_lengths_and_bars_are_tokens() -> None:
    tokenizer = Tokenizer.learn("abc", ["X:1\nM:6/8\nK:G\n^f3/2 c'2 (3abc|]\n"] * 5)
    header = len(tokenizer.encode("X:1\nM:6/8\nK:G\n"))
    ids = tokenizer.encode("X:1\nM:6/8\nK:G\n^f3/2 c'2 (3abc|]")
    pieces = [tokenizer.decode([token]) for token in ids[header:]]
    assert pieces == ["^f", "3/2", " ", "c'", "2", " ", "(3", "a", "b", "c", "|]"]


def test_each_event_is_a_token_of_a_vocabulary_that_no_corpus_changes() -> None:
    tokenizer = learnt["remi"]
    text = "Bar_None\nTimeSig_7/8\nPosition_0\nTempo_95.0\nProgram_-1\nPitchDrum_127\n"
    ids = tokenizer.encode(text)
    assert [tokenizer.decode([token]) for token in ids] == text.splitlines(keepends=True)
    assert tokenizer.pieces == Tokenizer.learn("remi", []).pieces
    assert tokenizer.size == 17 + 701


def test_rare_lexemes_are_spelled_in_characters() -> None:
    tokenizer = Tokenizer.learn("abc", ["X:1\nT:Unusual\nK:G\nG4|]\n"])
    assert "Unusual" not in tokenizer.pieces
    ids = tokenizer.encode("T:Unusual\n")
    assert tokenizer.decode(ids[-2:-1]) == "l"


def test_the_unseen_is_spelled_in_half_bytes() -> None:
    tokenizer = Tokenizer.learn("char", ["abc"])
    ids = tokenizer.encode("aé")
    # é is C3 A9: half bytes are ids 1 to 16.
    assert ids.tolist() == [tokenizer.encode("a")[0], 0xC + 1, 0x3 + 1, 0xA + 1, 0x9 + 1]


def test_a_boundary_is_no_text_and_a_lone_half_byte_shows() -> None:
    tokenizer = Tokenizer.learn("char", ["abc"])
    a = int(tokenizer.encode("a")[0])
    assert tokenizer.decode([a, BOUNDARY, a]) == "aa"
    assert tokenizer.decode([a, 5, a]) == "a\N{REPLACEMENT CHARACTER}a"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_json_round_trip(scheme: Scheme) -> None:
    copy = Tokenizer.from_json(json.loads(json.dumps(learnt[scheme].to_json())))
    assert copy.pieces == learnt[scheme].pieces
    assert copy.merges == learnt[scheme].merges
    assert (copy.encode(TUNES) == learnt[scheme].encode(TUNES)).all()


@pytest.mark.parametrize(
    "values",
    [
        None,
        {},
        {"scheme": "char"},
        {"scheme": "words", "pieces": ["a"]},
        {"scheme": "char", "pieces": "ab"},
        {"scheme": "char", "pieces": ["a", "a"]},
        {"scheme": "char", "pieces": ["a", ""]},
        {"scheme": "char", "pieces": ["a", 1]},
        {"scheme": "char", "pieces": ["a"], "merges": []},
        {"scheme": "bpe", "pieces": ["a"]},
        {"scheme": "bpe", "pieces": ["a"], "merges": 3},
        {"scheme": "bpe", "pieces": ["a", "aa"], "merges": ["aa"]},
        {"scheme": "bpe", "pieces": ["a", "aa"], "merges": [["a", "a", "a"]]},
        {"scheme": "bpe", "pieces": ["a", "b"], "merges": [["a", "b"]]},
        {"scheme": "bpe", "pieces": ["a", "ab"], "merges": [["a", "b"]]},
    ],
)
def test_a_foreign_vocabulary_is_refused(values: object) -> None:
    with pytest.raises(UsageError):
        Tokenizer.from_json(values)
