"""Whatever is wrong, every command says so in a sentence, and ends with a status that tells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from seqgen.cli import main as application
from seqgen.cli.main import app
from seqgen.errors import InputError

MakeModel = Callable[..., Path]

# What a command is given besides the file that can't be used, which stands for FILE.
USES = {
    "train": ["FILE", "--steps", "1"],
    "train -o": ["tune.abc", "--steps", "1", "-o", "FILE"],
    "train --validation": ["tune.abc", "--steps", "1", "--validation", "FILE"],
    "train --resume": ["--resume", "-o", "FILE"],
    "train --export": ["--export", "-o", "FILE"],
    "sample -m": ["-m", "FILE"],
    "sample --infill": ["--infill", "FILE"],
    "sample -o": ["-m", "small", "-o", "FILE"],
    "score": ["-m", "small", "FILE"],
    "score -m": ["-m", "FILE", "tune.abc"],
    "show": ["FILE"],
    "plot": ["FILE"],
    "plot -o": ["small", "-o", "FILE"],
    "convert": ["FILE", "new.mid"],
    "convert OUT": ["tune.abc", "FILE"],
    "play": ["FILE"],
    "play -o": ["tune.abc", "-o", "FILE"],
    "play --soundfont": ["tune.abc", "-o", "new.wav", "--soundfont", "FILE"],
    "check": ["FILE"],
    "corpus show": ["FILE"],
    "corpus stats": ["FILE"],
}
NAMES = {
    "missing": "none/none.abc",
    "empty": "empty.abc",
    "binary": "binary.abc",
    "binary score": "binary.musicxml",
    "binary midi": "binary.mid",
    "binary model": "binary.safetensors",
    "not a score": "latin.krn",
    "latin": "latin.abc",
    "a folder": "folder.abc",
    "a FIFO": "fifo.abc",
    "a link to itself": "loop.abc",
    "a name too long": "n" * 5000 + ".abc",
    "a name of control characters": "\x1b]0;owned\x07\x9b2J.abc",
    "bytes that are no text": os.fsdecode(b"\xff\xfe\x9b.abc"),
    "a long number": "9" * 5000,
    "nothing": "",
}
COMMAND = get_command(app)  # made once, which typer does at each call
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture
def folder(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = make_model().parent.parent
    monkeypatch.chdir(path)
    Path("tune.abc").write_text("X:1\nT:One\nM:2/4\nL:1/8\nK:C\nCD EF|G4|]\n")
    Path("empty.abc").touch()
    for suffix in ("abc", "musicxml", "mid", "safetensors"):
        Path(f"binary.{suffix}").write_bytes(bytes(range(256)) * 8)
    Path("latin.abc").write_bytes("X:1\nT:Am\xe9lie\nK:C\nCD|\n".encode("latin-1"))
    Path("latin.krn").write_bytes(b"**kern\n\xe9\n")
    Path("folder.abc").mkdir()
    os.mkfifo("fifo.abc")
    Path("loop.abc").symlink_to("loop.abc")
    return path


def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """The command line within this process, as main runs it: status, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["seqgen", *arguments])
    monkeypatch.setattr(application, "app", COMMAND)
    monkeypatch.setattr(application.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        application.main()
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


def require_sentence(status: int, err: str) -> None:
    assert status in (1, 2), (status, err)
    assert "Traceback" not in err
    assert "fault in seqgen" not in err, err
    assert err.strip()
    plain = err.replace("\x1b[", "")  # of the frame that typer draws
    assert not CONTROL.search(plain.encode("utf-8", "surrogateescape")) or "╭" in err, err


TAKEN = {"empty", "binary score", "binary midi", "binary model", "latin", "a name too long"}
WRITES = {"train -o", "sample -o", "plot -o", "convert OUT", "play -o"}


@pytest.mark.parametrize("use", USES)
def test_files_that_can_not_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], use: str
) -> None:
    command = [word for word in use.split() if word.islower() and word[0] != "-"]
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    for what, name in NAMES.items():
        if use in WRITES and what not in TAKEN:
            continue
        arguments = [word.replace("FILE", name) for word in USES[use]]
        status, _, err = run(monkeypatch, capfd, *command, *arguments)
        require_sentence(status, err)
    after = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    assert {path: after.get(path) for path in before} == before


def options() -> list[tuple[str, str]]:
    found = []
    for name, command in COMMAND.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        for path, each in (
            [(f"{name} {n}", c) for n, c in inner.items()] if inner else [(name, command)]
        ):
            for parameter in each.params:
                long = [o for o in parameter.opts if o.startswith("--")]
                if long and not getattr(parameter, "is_flag", False):
                    found.append((path, long[0]))
    return found


VALUES = ["", "-1", "1e999", "nan", "x", "9" * 5000, "\x1b[2J", "a\tb=\u2028"]


@pytest.mark.parametrize(
    "shift", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, len(VALUES)))]
)
def test_options_that_can_not_be_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], shift: int
) -> None:
    for number, (command, option) in enumerate(options()):
        value = VALUES[(number + shift) % len(VALUES)]
        if command in ("train", "demo") and option in ("--seed", "--strip") and value == "":
            continue
        # A source that is missing ends what the option does not.
        arguments = [] if command in ("demo", "corpus list") else ["none/none.abc"]
        if command == "sample":
            arguments = ["none"]
        status, _, err = run(monkeypatch, capfd, *command.split(), *arguments, option, value)
        assert status != 0
        require_sentence(status, err)


def test_unexpected_errors_are_sentences_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from seqgen.cli import convert

    for error, status, message in (
        (
            ValueError("\x1b[2Jodd"),
            1,
            "this is a fault in seqgen: ValueError: \ufffd[2Jodd; --debug",
        ),
        (MemoryError(), 1, "there is not enough memory"),
        (OSError(28, "No space left on device", "x"), 1, "seqgen: x: no space left on device\n"),
        (InputError("odd", path="x"), 1, "seqgen: x: odd\n"),
        (KeyboardInterrupt(), 130, ""),
    ):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(convert, "_tunes", fail)
        found, _, err = run(monkeypatch, capfd, "convert", "tune.abc", "new.mid")
        assert found == status
        assert message in err
        assert "Traceback" not in err


def seqgen(*arguments: str, cwd: Path, shell: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "seqgen", *arguments]
    if shell:
        words = ["sh", "-c", f'"$0" "$@" {shell}', *words]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("arguments", "redirection", "status", "message"),
    [
        (("check", "tune.abc"), "<&- >&- 2>&-", 0, ""),
        (("show", "small"), ">/dev/full", 1, "seqgen: stdout: no space left on device"),
        (("convert", "tune.abc", "-"), ">/dev/full", 1, "seqgen: stdout: no space left on device"),
        (("--help",), ">/dev/full", 1, "no space left on device"),
        (("show", "small"), ">&-", 1, "seqgen: stdout: bad file descriptor"),
        (("sample", "--seed", "1"), ">&- </dev/null", 1, "stdout: bad file descriptor"),
        (("--version",), ">&-", 1, "bad file descriptor"),
        (("check", "tune.abc"), ">&-", 0, "0 problems"),
        (("show", "small"), "| true", 0, ""),
        (("score", "-"), "</dev/null", 1, "holds no tune"),
        (("sample", "-"), "<&-", 0, "seed"),
        (("corpus", "stats", "-"), "<&-", 1, "is empty"),
    ],
)  # fmt: skip
def test_streams_that_are_full_or_closed(
    folder: Path, arguments: tuple[str, ...], redirection: str, status: int, message: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = seqgen(*arguments, cwd=folder, shell=redirection)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert message in done.stderr
    assert done.returncode == status
