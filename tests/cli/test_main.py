"""The command line as a whole: start-up, help, versions, errors."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqgen
from seqgen.cli.commands import LINES

HEAVY = {"tensorflow", "keras", "h5py", "music21", "tokenizers"}


LISTING = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path("modules").write_text(" ".join(sys.modules)))
from seqgen.__main__ import main
main()
"""


def imported(*arguments: str, cwd: Path, whole: bool = False) -> set[str]:
    """The modules that a command loads: those at the top level, or all."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    names = set((cwd / "modules").read_text().split())
    return names if whole else {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["sample", "-q", "--seed", "1", "--max-tokens", "20"],
        ["show", "small"],
        ["corpus", "list"],
        ["convert", "tune.abc", "tune.mid"],
        ["plot", "--help"],
        ["score", "-q", "tune.abc"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments: list[str], make_model: Callable[..., Path]) -> None:
    folder = make_model(scheme="bpe").parent.parent
    (folder / "tune.abc").write_text("X:1\nT:One\nK:C\nCDEF|]\n")
    modules = imported(*arguments, cwd=folder)
    assert ("typer" in modules) == (arguments != ["--version"])
    assert not modules & HEAVY
    if arguments[0] in ("--help", "--version"):
        assert "numpy" not in modules


def test_what_is_said_at_once_waits_for_nothing(tmp_path: Path) -> None:
    modules = imported("--version", cwd=tmp_path, whole=True)
    assert "seqgen.cli" in modules
    assert not modules & {"typer", "rich", "seqgen.cli.main", "importlib.metadata"}
    modules = imported("--help", cwd=tmp_path, whole=True)
    assert "typer.rich_utils" in modules
    commands = {f"seqgen.cli.{name}" for name in LINES}
    assert not modules & (commands | SLOW_TO_LOAD | {"rich.markdown", "rich.traceback", "pygments"})


SLOW_TO_LOAD = {"pydantic", "pydantic_core", "annotated_types", "click", "asyncio", "email.message"}


def test_a_command_loads_what_it_uses_and_no_more(make_model: Callable[..., Path]) -> None:
    folder = make_model(scheme="abc").parent.parent
    options = ["-n", "2", "--first", "1", "--temperature", "0.9", "--top-p", "0.9", "--stop", "zz"]
    modules = imported("sample", *options, "--format", "abc", cwd=folder, whole=True)
    assert {"typer", "numpy", "seqgen.cli.sample", "seqgen.sampling.generate"} <= modules
    others = {f"seqgen.cli.{name}" for name in LINES if name != "sample"}
    assert not modules & (others | SLOW_TO_LOAD | {"rich", "importlib.metadata", "tomllib"})
    unused = {
        "music.score", "music.diagnostics", "music.abc.parser", "corpus.documents",
        "models.decoders.transformer", "sampling.infill", "sampling.text_grammar",
        "sampling.likelihood", "cli.port",
    }  # fmt: skip
    assert modules.isdisjoint(f"seqgen.{name}" for name in unused)


def test_drawing_midi_takes_no_more_than_numpy(make_model: Callable[..., Path]) -> None:
    folder = make_model(scheme="remi", kind="midi").parent.parent
    modules = imported("sample", "-q", "--max-tokens", "20", "-o", "x.mid", cwd=folder)
    assert not modules & {*HEAVY, "miditok", "symusic"}


def test_version() -> None:
    """It is said before Typer is loaded; or by Typer's option, where more is to be understood."""
    for arguments in (["--version"], ["-V"], ["--debug", "--version"], ["--version", "sample"]):
        done = subprocess.run(
            [sys.executable, "-m", "seqgen", *arguments], capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == (f"seqgen {seqgen.__version__}\n", "")


def test_every_command_is_in_the_readme() -> None:
    from typer.main import get_command

    from seqgen.cli.main import app

    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) >= 6
    for name in commands:
        assert f"`seqgen {name}" in readme, name


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    for arguments, shown in ((["--debug"], True), ([], False)):
        done = subprocess.run(
            [sys.executable, "-m", "seqgen", "show", "none", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) is shown
        assert "none: no such model" in done.stderr


def test_show_prints_the_card(make_model: Callable[..., Path]) -> None:
    path = make_model()
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "show", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    for part in (
        "lstm, 1 x 16",
        "2.000 bits (1.400 nats) per character",
        "tunes in ABC",
        "digest",
        "finished",
    ):
        assert part in done.stdout


def test_ctrl_c_while_the_program_loads_or_ends_leaves_no_traceback() -> None:
    """Before anything could catch it, and when all is done."""
    script = """
import sys, signal, atexit
from seqgen.__main__ import main

class Interrupting:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

if sys.argv.pop(1) == "loads":
    sys.meta_path.insert(0, Interrupting())
else:
    atexit.register(signal.raise_signal, signal.SIGINT)
main()
"""
    for when, status in (("loads", 130), ("ends", -signal.SIGINT)):
        done = subprocess.run(
            [sys.executable, "-c", script, when, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (status, "")
