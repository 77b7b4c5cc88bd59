"""What a command writes stays where it was asked to, and replaces nothing unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seqgen.cli import demo
from seqgen.cli.main import app
from seqgen.errors import OutputError, SeqgenError
from seqgen.files import write_atomically

MakeModel = Callable[..., Path]

TITLES = ["../../x", "/etc/passwd", "C:\\x", "~", "-rf", "NUL", "a/../b", "\x1b[2J", ".", "..", "",
          "x" * 10_000, "\U0001d11e" * 200, "%00", "x\u2028y", "same", "same"]  # fmt: skip
PRECIOUS = b"precious"


@pytest.fixture(autouse=True)
def folder(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = make_model().parent.parent
    monkeypatch.chdir(path)
    tunes = [f"X:{n}\nT:{title}\nL:1/8\nK:C\nCDEF|]\n" for n, title in enumerate(TITLES, 1)]
    Path("book.abc").write_text("\n".join(tunes))
    Path("tune.abc").write_text(tunes[0])
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("form", ["mid", "abc"])
def test_titles_make_numbered_safe_names_in_the_folder(folder: Path, form: str) -> None:
    before = set(folder.parent.rglob("*"))
    result = run("convert", "book.abc", "--to", form, "out/")
    assert result.exit_code == 0, result.output
    made = sorted(set(folder.parent.rglob("*")) - before - {folder / "out"})
    assert len(made) == len(TITLES)
    for number, path in enumerate(made, 1):
        assert path.parent == folder / "out"
        assert path.name.startswith(f"{number:04d}-")
        assert path.name.isascii()
        assert len(path.name) < 80


USES: dict[str, tuple[list[str], str]] = {
    "sample -o": (["sample", "-m", "small", "--max-tokens", "60", "-o", "FILE"], "new.abc"),
    "convert": (["convert", "tune.abc", "FILE"], "new.mid"),
    "convert to a picture": (["convert", "tune.abc", "FILE"], "new.musicxml"),
    "play -o": (["play", "tune.abc", "-o", "FILE"], "new.wav"),
    "train -o": (["train", "tune.abc", "--steps", "1", "-o", "FILE"], "new.safetensors"),
}


@pytest.mark.parametrize("use", USES)
def test_nothing_is_replaced_without_force(use: str) -> None:
    arguments, name = USES[use]
    Path(name).write_bytes(PRECIOUS)
    result = run(*(word.replace("FILE", name) for word in arguments))
    assert isinstance(result.exception, SeqgenError)
    assert f"{name} exists" in str(result.exception)
    assert "--force" in str(result.exception)
    assert Path(name).read_bytes() == PRECIOUS


@pytest.mark.parametrize("use", ["sample -o", "convert", "play -o"])
def test_force_replaces(use: str) -> None:
    arguments, name = USES[use]
    Path(name).write_bytes(PRECIOUS)
    result = run(*(word.replace("FILE", name) for word in arguments), "--force")
    assert result.exit_code == 0, result.output
    assert Path(name).read_bytes() != PRECIOUS


def test_a_picture_of_curves_is_not_replaced() -> None:
    Path("run.metrics.jsonl").write_text('{"step": 1, "seconds": 1, "loss_nats": 1}\n' * 2)
    Path("run.safetensors").write_bytes(Path("checkpoints/small.safetensors").read_bytes())
    for output, name in (([], "run.svg"), (["-o", "x.png"], "x.png")):
        Path(name).write_bytes(PRECIOUS)
        result = run("plot", "run.safetensors", *output)
        assert isinstance(result.exception, OutputError)
        assert f"{name} exists; --force replaces it" in str(result.exception)
        assert Path(name).read_bytes() == PRECIOUS


@pytest.mark.parametrize(
    "use",
    [
        *(arguments for arguments, _ in USES.values()),
        ["man", "--dir", "FILE"],
        ["train", "tune.abc", "--steps", "1", "--log-dir", "FILE"],
    ],
)
def test_an_empty_name_is_not_the_current_folder(folder: Path, use: list[str]) -> None:
    """As an unset variable gives it: ``-o "$OUT"``."""
    before = set(folder.rglob("*"))
    result = run(*["" if each == "FILE" else each for each in use])
    assert result.exit_code != 0
    assert "empty name" in f"{result.output} {result.exception}"
    assert set(folder.rglob("*")) == before


def test_a_folder_of_samples_gets_new_names() -> None:
    draw = ["sample", "-m", "small", "--seed", "1", "--max-tokens", "60", "-n", "2", "-o", "out/"]
    for count in (2, 4):
        assert run(*draw, "--format", "abc").exit_code == 0
        assert len(list(Path("out").iterdir())) == count


def test_a_folder_of_tunes_replaces_none_of_its_files() -> None:
    assert run("convert", "tune.abc", "out/").exit_code == 0
    (made,) = Path("out").iterdir()
    made.write_bytes(PRECIOUS)
    result = run("convert", "tune.abc", "out/")
    assert result.exit_code == 1
    assert "exists; --force replaces it" in result.output
    assert made.read_bytes() == PRECIOUS


@pytest.mark.parametrize("name", ["model.safetensors", "tune-1.mid"])
def test_a_demo_replaces_nothing_without_force(name: str) -> None:
    demo.FOLDER.mkdir()
    (demo.FOLDER / name).write_bytes(PRECIOUS)
    result = run("demo")
    assert isinstance(result.exception, OutputError)
    assert f"{name} exists; --force replaces" in str(result.exception)
    assert (demo.FOLDER / name).read_bytes() == PRECIOUS


def test_a_link_is_replaced_and_what_it_names_is_not(folder: Path) -> None:
    Path("target").write_bytes(PRECIOUS)
    Path("new.mid").symlink_to("target")
    assert run("convert", "--force", "tune.abc", "new.mid").exit_code == 0
    assert Path("target").read_bytes() == PRECIOUS
    Path("dangling.mid").symlink_to(folder / "elsewhere")
    assert run("convert", "tune.abc", "dangling.mid").exit_code == 0
    assert not Path("elsewhere").exists()


def test_names_that_no_file_can_have() -> None:
    for name in ("a\0b", "x" * 300):
        with pytest.raises(OutputError):
            write_atomically(name, b"")


def test_the_longest_names_that_a_file_can_have() -> None:
    for name in ("x" * 255, "\U0001d11e" * 63):
        write_atomically(name, b"1")
        assert Path(name).read_bytes() == b"1"
