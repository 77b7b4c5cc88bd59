"""Commands that are listed before they are loaded, and what that leaves unchanged."""

from __future__ import annotations

import contextlib
import io
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

import seqgen
from seqgen.cli import commands
from seqgen.cli.commands import LINES
from seqgen.cli.main import app
from seqgen.cli.pages import SELDOM, load_pages


def page(command: Any) -> str:
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        command.main(["--help"], prog_name="seqgen", standalone_mode=False)
    return written.getvalue()


def test_what_is_listed_is_what_the_commands_say_of_themselves() -> None:
    listed = page(get_command(app))
    group = get_command(app)
    whole = TyperGroup(**group._options | {"commands": dict(group.commands)})  # type: ignore[attr-defined]
    whole.params = group.params
    assert page(whole) == listed
    for name, line in LINES.items():
        assert f" {name} " in listed
        assert (group.commands[name].help or "").startswith(line)  # type: ignore[attr-defined]


def test_every_command_is_made_once_and_bears_its_name() -> None:
    made = get_command(app).commands  # type: ignore[attr-defined]
    assert list(made) == list(LINES)
    for name, command in made.items():
        assert command.name == name
        assert made.get(name) is command
    assert made.get("none") is None


def test_every_module_of_a_command_is_listed() -> None:
    """A module that declares a command, but stands in no list, would be forgotten."""
    modules = {commands.MODULES.get(name, name) for name in LINES}
    for path in (Path(seqgen.__file__).parent / "cli").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if f"\ndef {path.stem}(\n" in text or "\napp = typer.Typer(" in text:
            assert path.stem in modules | {"main"}, path.stem


def test_a_name_nearly_right_is_told() -> None:
    result = CliRunner().invoke(app, ["sampel"])
    assert result.exit_code == 2
    assert "Did you mean 'sample'?" in result.output


def test_what_typer_seldom_needs_of_rich_is_there_when_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("typer.rich_utils", *SELDOM):
        monkeypatch.delitem(sys.modules, name, raising=False)
    pages = load_pages()
    assert not set(SELDOM) & set(sys.modules)
    text = pages.Markdown("*word*")
    from rich.markdown import Markdown
    from rich.traceback import Traceback

    assert type(text) is Markdown
    try:
        raise ValueError("some reason")
    except ValueError as error:
        found = pages.Traceback.from_exception(type(error), error, error.__traceback__)
    assert type(found) is Traceback
    assert load_pages() is pages


def test_pages_in_markdown_are_drawn() -> None:
    own = typer.Typer(rich_markup_mode="markdown", add_completion=False)

    @own.command()
    def one() -> None:
        """Some *words*.

        - in
        - a list
        """

    assert " • a list" in page(get_command(own))


def test_help_fills_the_terminal_and_cuts_no_option_short(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = get_command(app).commands["sample"]  # type: ignore[attr-defined]
    for columns in (40, 60, 80):
        monkeypatch.setenv("COLUMNS", f"{columns}")
        lines = page(sample).splitlines()
        assert max(map(len, lines)) == columns
        begun = next(at for at, line in enumerate(lines) if line.startswith(" Redirected"))
        paragraph = lines[begun : lines.index("".ljust(columns), begun)]
        for line, following in pairwise(paragraph):
            # The next word would not have had room, but for a blank on either side.
            assert len(f"{line.rstrip()} {following.split()[0]}") > columns - 1
        named = [line.split()[1] for line in lines if line.startswith("│ --")]
        assert len(named) > 40
        assert not any("…" in name for name in named)


def test_help_cuts_nothing_short_where_terminals_are_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert "…" not in page(command), name
