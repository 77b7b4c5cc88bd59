"""--color, NO_COLOR and --quiet, alike in all commands that have them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from seqgen.cli.main import app
from tests.support import in_terminal

TUNE = "X:1\nT:One\nM:2/4\nL:1/8\nK:G\nG2 B2|d2 B2|c2 A2|G4|]\n"
SCORE = ["score", "--tokens", "-q", "tune.abc"]
SHOW = ["show", "tune.abc"]


@pytest.fixture
def folder(make_model: Callable[..., Path]) -> Path:
    folder = make_model().parent.parent
    (folder / "tune.abc").write_text(TUNE)
    return folder


def environment(**more: str) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return {**plain, "TERM": "xterm-256color", **more}


def piped(folder: Path, *arguments: str, **more: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        check=True,
    )
    return done.stdout


def shown(folder: Path, *arguments: str, **more: str) -> bytes:
    command = [sys.executable, "-m", "seqgen", *arguments]
    status, sent = in_terminal(
        command, cwd=folder, env=environment(**more), stdin=subprocess.DEVNULL
    )
    assert status == 0
    return sent


COLOUR = b"\x1b["
RED_TO_WHITE = (b"38;5;", b";33m", b";36m", b"[33m", b"[36m")  # as both commands use them


def colours(shown: bytes) -> bool:
    return any(code in shown for code in RED_TO_WHITE)


@pytest.mark.parametrize("command", [SCORE, SHOW], ids=["score", "show"])
def test_colours_are_where_they_are_asked_for(folder: Path, command: list[str]) -> None:
    assert COLOUR not in piped(folder, *command)
    assert colours(piped(folder, *command, "--color", "always"))
    assert colours(piped(folder, *command, "--color", "always", NO_COLOR="1"))
    assert colours(shown(folder, *command))
    assert not colours(shown(folder, *command, "--color", "never"))
    assert not colours(shown(folder, *command, NO_COLOR="1"))


def test_options_that_several_commands_have_are_the_same() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    names: dict[str, set[tuple[str, ...]]] = {}
    for command in commands.values():
        for option in command.params:
            for name in option.opts:
                names.setdefault(name, set()).add(tuple(option.opts))
    for name in ("--quiet", "--verbose", "--color", "--debug", "--force", "--json"):
        assert len(names[name]) == 1, name
    assert names["-q"] == names["--quiet"]
    assert names["-v"] == names["--verbose"]
    assert ("--temperature", "--temp") in names["--temp"]


def test_the_exit_statuses_are_in_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "--help"], capture_output=True, text=True, check=True
    )
    said = " ".join(done.stdout.split())
    assert "Exit status: 0 when all went well, 1 when" in said
    assert "130 after Ctrl-C" in said
