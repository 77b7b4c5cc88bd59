"""What a shell is offered, as it asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CODE = "from seqgen.cli.main import app; app(prog_name='seqgen')"


@pytest.fixture
def folder(make_model: Callable[..., Path]) -> Path:
    folder = make_model(name="irish").parent.parent
    for name in ("own.safetensors", "tune.abc", ".hidden"):
        (folder / name).write_text("")
    (folder / "tunes").mkdir()
    (folder / "tunes" / "a b.abc").write_text("")
    return folder


def offered(folder: Path, words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={
            **os.environ,
            "_SEQGEN_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        ("seqgen sam", ["sample"]),
        ("seqgen sample -m ", ["irish", "own.safetensors", "checkpoints/", "tunes/"]),
        ("seqgen sample -m ir", ["irish"]),
        ("seqgen score -m checkpoints/", ["checkpoints/irish.safetensors"]),
        ("seqgen show t", ["tune.abc", "tunes/"]),
        ("seqgen sample --format ", ["abc", "txt", "mid"]),
        ("seqgen convert --to m", ["mid", "midi", "musicxml", "mxl"]),
        ("seqgen man co", ["convert", "config", "corpus"]),
        ("seqgen train ryans", ["ryans-mammoth"]),
        ("seqgen train ./t", ["./tune.abc", "./tunes/"]),
        ("seqgen corpus show oneills1", ["oneills1850"]),
        ("seqgen check tunes/", ["tunes/a b.abc"]),
        ("seqgen check none/", [""]),
        ("seqgen check .h", [".hidden"]),
    ],
)
def test_what_is_offered(folder: Path, words: str, offers: list[str]) -> None:
    assert offered(folder, words) == offers
