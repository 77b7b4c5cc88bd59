"""``seqgen plot`` as a process: which run it finds, where the picture goes, what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def plot(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqgen", "plot", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def write_metrics(path: Path, bits: float = 2.0) -> None:
    lines = [
        {"step": 1, "loss_nats": 3.0, "gradient_norm": 2.0, "learning_rate": 0.1,
         "tokens_per_second": 99.0, "seconds": 0.5},
        {"step": 2, "bits_per_char": bits, "seconds": 1.0},
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def folder(make_model: Callable[..., Path]) -> Path:
    """Two runs in checkpoints/, and one that has not saved a model yet."""
    for name, bits in (("reels", 2.0), ("jigs", 1.5)):
        write_metrics(make_model(name=name).with_name(f"{name}.metrics.jsonl"), bits)
    checkpoints = make_model().parent
    (checkpoints / "small.safetensors").unlink()
    write_metrics(checkpoints / "young.metrics.jsonl", 3.0)
    return checkpoints.parent


@pytest.mark.parametrize(
    ("arguments", "target", "best"),
    [
        ([], "checkpoints/jigs.svg", "jigs: best 1.500"),
        (["reels"], "checkpoints/reels.svg", "reels: best 2.000"),
        (["checkpoints/reels.safetensors", "--by", "time"], "checkpoints/reels.svg", "reels: best"),
        (["checkpoints/reels.metrics.jsonl"], "checkpoints/reels.svg", "reels: best"),
        (["young"], "checkpoints/young.svg", "young: best 3.000"),
        (["reels", "jigs", "-o", "new/both.svg"], "new/both.svg", "reels: best 2.000"),
        (["reels", "young", "-o", "-"], None, "young: best 3.000"),
    ],
)
def test_a_run_is_found_and_drawn(
    folder: Path, arguments: list[str], target: str | None, best: str
) -> None:
    done = plot(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    picture = (folder / target).read_text() if target else done.stdout
    assert best in picture
    assert "</svg>" in picture
    if target:
        assert done.stdout == ""
    if "-o" not in arguments:
        assert f"The picture is {target}" in done.stderr
        again = plot(*arguments, cwd=folder)
        assert again.returncode == 1
        assert "exists; --force replaces it" in again.stderr
        assert plot(*arguments, "--force", cwd=folder).returncode == 0


def test_runs_of_the_same_name_are_told_apart(folder: Path) -> None:
    (folder / "old").mkdir()
    write_metrics(folder / "old" / "jigs.metrics.jsonl", 1.75)
    done = plot("jigs", "old/jigs.metrics.jsonl", "-o", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"<!-- (\S+): best (\S+)", done.stdout)
    assert names == [
        ("checkpoints/jigs.safetensors", "1.500"),
        ("old/jigs.safetensors", "1.750"),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none"], 1, "none: no such model"),
        (["none.metrics.jsonl"], 1, "none.metrics.jsonl: no such file"),
        (["jigs", "-o", "curves.pdf"], 2, "curves.pdf: a picture's name ends in .svg or .png"),
        (["jigs", "reels"], 2, "name their picture with -o"),
        (["bad.metrics.jsonl"], 1, "bad.metrics.jsonl:2: is damaged"),
        (["empty.metrics.jsonl"], 1, "holds no metrics yet"),
        (["moved.safetensors"], 1, "moved.metrics.jsonl: no such file"),
        (["jigs", "-o", "empty.metrics.jsonl/a.svg"], 1, "can't make this folder"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, arguments: list[str], status: int, message: str
) -> None:
    write_metrics(folder / "bad.metrics.jsonl")
    with (folder / "bad.metrics.jsonl").open("r+") as file:
        lines = file.readlines()
        file.seek(0)
        file.writelines([lines[0], "{oh\n", lines[1]])
    (folder / "empty.metrics.jsonl").write_text("")
    (folder / "moved.safetensors").write_bytes(
        (folder / "checkpoints" / "jigs.safetensors").read_bytes()
    )
    before = sorted(folder.rglob("*"))
    done = plot(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.startswith("seqgen: ")
    assert done.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
