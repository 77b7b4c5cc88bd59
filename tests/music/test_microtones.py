"""Microtones are named and left out."""

from __future__ import annotations

import pytest

from tests.music.notes import parsed, tune_of


@pytest.mark.parametrize(
    ("music", "written", "column", "plain"),
    [
        ("c^/c|", "^/", 2, "cc|"), ("c _3/2d2|", "_3/2", 3, "c d2|"), ("c^^/4F|", "^^/4", 2, "cF|"),
        ("[c_22/100e]2|", "_22/100", 3, "[ce]2|"), ("{^/c}d|", "^/", 2, "{c}d|"),
    ],
)  # fmt: skip
def test_a_microtone_is_named_and_left_out(
    music: str, written: str, column: int, plain: str
) -> None:
    (said,) = parsed(music).diagnostics
    assert (said.code, said.line, said.column, said.length) == (
        "microtone", 6, column, len(written),
    )  # fmt: skip
    assert said.message.startswith(f"{written} makes a microtone")
    assert tune_of(music) == tune_of(plain)
