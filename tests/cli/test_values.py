"""Plain values read without Typer's validators: the same values, and Typer's own errors."""

from __future__ import annotations

import enum
import math
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from seqgen.cli.values import read_plainly


class Fruit(enum.StrEnum):
    apple = "apple"
    pear = "a pear"


def declared(
    text: str = "",
    count: Annotated[int, typer.Option(min=-3, max=1000)] = 1,
    number: Annotated[int | None, typer.Option(min=0)] = None,
    share: Annotated[float, typer.Option(min=0, max=1.5)] = 1.0,
    real: float | None = None,
    fruit: Fruit | None = None,
    texts: list[str] | None = None,
    counts: list[int] | None = None,
    flag: bool = False,
    words: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    pass


def parameters() -> dict[str, Any]:
    app = typer.Typer(add_completion=False)
    app.command()(declared)
    return {each.name: each for each in get_command(app).params}


TYPERS, OURS = parameters(), {name: read_plainly(each) for name, each in parameters().items()}
CONTEXT = typer.Context(get_command(typer.Typer(callback=declared)))
SCALARS = st.one_of(
    st.text(max_size=8),
    st.integers(-2000, 2000).map(str),
    st.floats().map(str),
    st.from_regex(r"[ +-]?[0-9]{0,3}[._e]?[0-9]{0,3} ?", fullmatch=True),
    st.sampled_from(["apple", "a pear", "Apple", "pear", "nan", "1_0", "٣", "1.", ".5", "."]),
)
SEVERAL = {"texts", "counts", "words"}


def outcome(parameter: Any, value: Any) -> tuple[type, Any]:
    try:
        found = parameter.process_value(CONTEXT, value)
    except typer.BadParameter as error:
        return typer.BadParameter, error.message
    if isinstance(found, float) and math.isnan(found):
        return float, "nan"
    return type(found), found


@pytest.mark.parametrize("name", [name for name in TYPERS if name not in SEVERAL | {"flag"}])
@given(SCALARS)
def test_a_value_is_what_typer_reads(name: str, text: str) -> None:
    assert outcome(OURS[name], text) == outcome(TYPERS[name], text)


@pytest.mark.parametrize("name", sorted(SEVERAL))
@given(st.lists(SCALARS, max_size=3))
def test_so_are_several(name: str, texts: list[str]) -> None:
    assert outcome(OURS[name], texts) == outcome(TYPERS[name], texts)
    assert outcome(OURS[name], tuple(texts)) == outcome(TYPERS[name], tuple(texts))


@pytest.mark.parametrize("name", TYPERS)
def test_so_are_defaults(name: str) -> None:
    default = TYPERS[name].default
    assert outcome(OURS[name], default) == outcome(TYPERS[name], default)
    assert outcome(OURS[name], None) == outcome(TYPERS[name], None)


def test_what_is_read_plainly_once_stays_as_it_is() -> None:
    reader = OURS["text"].get_runtime_param
    assert read_plainly(OURS["text"]).get_runtime_param is reader
