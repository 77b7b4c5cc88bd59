"""Where tunes begin and end, and what is taken for ABC."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus import tunes as module
from seqgen.corpus.tunes import field, find_tunes, stream_tunes
from seqgen.errors import InputError

TUNE = "X:1\nT:One\nM:4/4\nL:1/8\nK:D\nDEFG ABcd|\n"
OTHER = "X: 2\nT: Two\nK: Am\nABcd|\n"

# Lines that may stand in a tune: nothing empty, no X:.
lines = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=30
).filter(lambda line: line.strip() and not line.startswith("X:"))
tunes = st.builds(
    lambda number, rest: f"X:{number}\nK:C\n" + "".join(f"{line}\n" for line in rest),
    st.integers(0, 9999),
    st.lists(lines, max_size=6),
).map(lambda tune: tune.rstrip() + "\n")


@given(st.lists(tunes, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_tune_book_comes_apart_without_loss(book: list[str], line_end: str) -> None:
    text = "\n".join(book).replace("\n", line_end)

    assert find_tunes(text) == book


@given(st.text(max_size=200))
def test_whatever_the_text_its_tunes_are_parts_of_it_in_order(text: str) -> None:
    text = text.replace("\r", "\n")
    at = 0
    for tune in find_tunes(f"{TUNE}\n{text}", suffix=".abc"):
        at = f"{TUNE}\n{text}\n".index(tune.rstrip("\n"), at) + len(tune.rstrip("\n"))


def test_a_tune_ends_at_an_empty_line_or_one_of_blanks_or_the_next_x() -> None:
    book = f"{TUNE}\nWords\n{OTHER}  \t\nwords\n{TUNE}{OTHER}"

    assert find_tunes(book) == [TUNE, OTHER, TUNE, OTHER]


def test_free_text_and_comments_between_tunes_are_left_out() -> None:
    book = f"% A book\n\nSome words.\n\n{TUNE}\nMore words.\n\n{OTHER}"

    assert find_tunes(book) == [TUNE, OTHER]


def test_a_tune_without_a_final_line_end_gets_one() -> None:
    assert find_tunes(TUNE.rstrip()) == [TUNE]


def test_the_file_header_enters_each_tune_where_it_changes_how_it_reads() -> None:
    book = f"%abc-2.1\nL:1/16\nM:3/4\nZ:Someone\nU:n=!trill!\n\n{TUNE}\n{OTHER}"

    assert find_tunes(book) == [
        "X:1\nT:One\nU:n=!trill!\nM:4/4\nL:1/8\nK:D\nDEFG ABcd|\n",
        "X: 2\nT: Two\nL:1/16\nM:3/4\nU:n=!trill!\nK: Am\nABcd|\n",
    ]


def test_a_metre_change_in_the_body_does_not_hide_the_file_headers_metre() -> None:
    assert find_tunes("M:3/4\n\nX:1\nK:C\nabc|\nM:2/4\nab|\n") == [
        "X:1\nM:3/4\nK:C\nabc|\nM:2/4\nab|\n"
    ]


def test_fields_after_the_first_empty_line_are_free_text_not_file_header() -> None:
    assert find_tunes(f"Words.\n\nL:1/16\n\n{OTHER}") == [OTHER]


@pytest.mark.parametrize(
    "key",
    ["D", "Am", "Bb", "F# minor", "Edor", "A Mixolydian", "HP", "none", "", "G % sharp", "Dexp ^f",
     "clef=bass", "EM", "Es", "H"],
)  # fmt: skip
def test_keys_found_in_real_collections_make_a_tune(key: str) -> None:
    tune = f"X:1\nK:{key}\nabc|\n"

    assert find_tunes(tune) == [tune]


@pytest.mark.parametrize(
    "prose",
    [
        "A tune begins with the field\nX:1\nand so on.\n",
        "X: You again?\nK: Go away, I said.\nX: Never.\n",
        "X:1\nT:No key follows\nabc\n",
        "K:D\nabc|\n",
        "Plain words.\n",
        "",
    ],
)
@pytest.mark.parametrize("suffix", ["", ".txt", ".abc"])
def test_prose_is_not_abc_whatever_it_is_called(prose: str, suffix: str) -> None:
    assert find_tunes(prose, suffix=suffix) == []


def test_a_manual_that_quotes_a_tune_is_text_unless_it_is_called_abc() -> None:
    manual = "A long word about the notation. " * 10 + f"\n\n{TUNE}\nAnd more.\n"

    assert find_tunes(manual, suffix=".md") == []
    assert find_tunes(manual, suffix=".ABC") == [TUNE]


def test_field_takes_the_first_and_drops_its_comment() -> None:
    tune = "X:1\nT: One % not two\nT:Two\nK:C\n"

    assert field(tune, "T") == "One"
    assert field(tune, "R") is None


@given(st.data())
def test_a_stream_has_the_tunes_of_the_whole(data: st.DataObject) -> None:
    lines = st.sampled_from(
        ["X:1", "X:2 two", "K:G", "T:a title", "L:1/16", "M:3/4", "CDE|", "", " ", "prose", "%%x"]
    )
    ends = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = ends.join(data.draw(st.lists(lines, max_size=25)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    streamed = [each for together in stream_tunes(pieces) for each in together]
    expected = find_tunes(text, suffix=".abc")
    if expected:  # it has a tune with a key
        assert [tune for _, tune in streamed] == expected
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [line for line, _ in streamed] == [
        number for number, line in enumerate(plain, 1) if line.startswith("X:")
    ]


def test_what_never_becomes_a_tune_is_refused() -> None:
    with (
        patch.object(module, "LONGEST", 100),
        pytest.raises(InputError, match=r"x\.abc:1: is no ABC"),
    ):
        list(stream_tunes(["no tune\n"] * 50, path="x.abc"))
