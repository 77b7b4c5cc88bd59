"""The order in which bars are played."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.music.unfold import MAX_REPEATS, part_order, unfold
from tests.music.notes import HEADER, tune_of


def played(music: str, parts: str = "") -> str:
    """The notes of a tune with one note a bar, in the order they are played."""
    tune = tune_of(music, HEADER.replace("M:4/4", "M:none"))
    voice = tune.voices[0]
    return "".join(
        event.pitch.step
        for index in unfold(voice.bars, parts)
        for event in voice.bars[index].events
        if hasattr(event, "pitch")
    )


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("A|B|C", "ABC"),
        ("|:A|B:|", "ABAB"),
        ("A|B:|", "ABAB"),  # without |: from the beginning
        ("A|:B:|C", "ABBC"),
        ("A|B:|C|D:|", "ABABCDCD"),  # or from the last :|
        ("|:A:|:B:|", "AABB"), ("|:A::B:|", "AABB"), ("|:A:||:B:|", "AABB"),
        ("|::A::|B", "AAAB"),
        ("|:A|1B:|2C|]", "ABAC"),
        ("|:A|1B:|2C:|D", "ABACD"),
        ("A[1B:|[2C||D:|", "ABACDD"),  # a repeat after second endings begins after them
        ("A|1B:|2C|]D|E|1F:|2G|]", "ABACDEFDEG"),
        ("|:A|1,3B:|2,4C:|D", "ABACABACD"),
        ("|:A|1-3B:|4C|D|]", "ABABABACD"),
        ("|:A|1B:|2C:|3D|]E", "ABACADE"),
        ("|:A|1B:|C", "ABAC"),
        ("|:A|1B|C:|2D|E|]", "ABCADE"),
        ("A||B:|", "ABAB"), ("A|]B:|", "ABAB"), ("A[|B:|", "ABAB"),  # the first, over a double bar
        ("A:|B||C:|", "AABCC"), ("A:|B|]C:|", "AABCC"), ("A:|B[|C:|", "AABCC"),  # a later, from it
        ("A|| :B:|", "ABB"), ("A||\n:B:|", "ABB"), ("|:A||B:|", "ABAB"),
        ("A||B|1C:|2D|]", "ABCABD"), ("|:A||B|1C:|2D|]", "ABCABD"), ("A:|B||C|1D:|2E|]", "AABCDCE"),
        ("|:A|:B:|", "ABB"),  # a repeat that is not closed is not repeated
    ],
)  # fmt: skip
def test_repeats_and_endings(music: str, expected: str) -> None:
    assert played(music) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("ABA", "GGABGG"), ("A2B", "GGGGAB"), ("(AB)2", "GGABGGAB"), ("B.A", "ABGG"),
        ("", "GGAB"), ("AX", "GG"), ("A(B(A)2)2", "GGABGGGGABGGGG"),
    ],
)  # fmt: skip
def test_parts_are_played_in_the_order_of_the_header(parts: str, expected: str) -> None:
    assert played("P:A\n|:G:|\nP:B\nA|B|", parts) == expected


@given(st.text("AB(0123456789). )", max_size=60))
def test_no_order_of_parts_grows_beyond_its_limit(parts: str) -> None:
    assert len(part_order(parts, 100)) <= 100


@given(
    st.lists(st.sampled_from(["A", "|", "|:", ":|", "::", "|1", ":|2", "||", "[3", "::|", "|]"]))
)
def test_no_bar_is_played_more_often_than_may_be(pieces: list[str]) -> None:
    voice = tune_of("A" + "".join(pieces), HEADER.replace("M:4/4", "M:none")).voices[0]
    order = unfold(voice.bars)
    assert len(order) <= MAX_REPEATS * len(voice.bars)
    assert all(0 <= index < len(voice.bars) for index in order)
