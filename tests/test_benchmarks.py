"""The scripts in benchmarks/ that reach into the product still find there what they look for."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seqgen.cli.train import train

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that imports one of them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_the_ablation_finds_what_it_replaces(scripts: Any) -> None:
    changes = scripts("changes").CHANGES
    places = {
        place for arch in changes.values() for each in arch.values() for place in each.replaced
    }
    assert places
    for place in {scripts("ablation").PLAN, *places}:
        pkgutil.resolve_name(place)  # AttributeError: the product has it no longer


def test_the_ablation_tries_options_that_exist(scripts: Any) -> None:
    known = inspect.signature(train).parameters
    changes = scripts("changes").CHANGES
    options = {
        each.options[0] for arch in changes.values() for each in arch.values() if each.options
    }
    assert options
    assert {option[2:].replace("-", "_") for option in options} <= set(known)


def test_a_learning_curve_counts_what_came_in_time(
    scripts: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    curves = scripts("learning_curves")
    lines = [
        '{"step": 1, "loss_nats": 3, "seconds": 4}',
        '{"step": 9, "nats_per_char": 1.95, "seconds": 12}',
        '{"step": 9, "loss_nats": 2, "seconds": 17}',
        '{"step": 9, "nats_per_char": 1.91, "seconds": 17}',
        '{"step": 20, "nats_per_char": 1.5, "seconds": 19}',
    ]
    budgets = []

    def run(command: list[str], **_: Any) -> None:
        budgets.append(command[command.index("--budget") + 1])
        model = Path(command[command.index("-o") + 1])
        kept = lines if len(budgets) == 2 else lines[:3]
        curves.metrics_path(model).write_text("\n".join(kept) + "\n")

    monkeypatch.setattr(curves.subprocess, "run", run)
    # A limit of 14 s, which counts from second 4 on.
    curves.attempt("text-T/6", 84.0, [], tmp_path, startup=2.0)
    # The first run trained for 13 of the 15.58 seconds that it was given.
    assert budgets == ["15.6s", "16.2s"]
    printed = capsys.readouterr().out.split()
    assert printed[3:] == ["13.0", "0.0", "1.9100", "1.9200", "met"]


@pytest.mark.usefixtures("tensorflow")
def test_a_large_corpus_goes_the_way_of_a_training_run(
    scripts: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = scripts("corpus_memory")
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("One thing after another.\n" * 400)
    memory.tokenize("text.txt", "char")
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"] == 0.9 * 400 * 25
    assert min(found["stages"].values()) >= 0.0
    Path("validation.txt").write_text("Thing after thing.\n" * 40)
    memory.train("text.txt", "validation.txt", steps=2)
    grown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(grown) == 2
    assert min(grown) > 50


def test_a_soak_sees_what_grows(scripts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    soak = scripts("soak")

    def held(at: int, **other: Any) -> Any:
        values = {"resident_bytes": 500 << 20, "descriptors": 8, "threads": 7, "files": ("a",)}
        return soak.Held(seconds=float(at), **{**values, **other})

    assert soak.faults([held(at) for at in range(100)], 100.0) == []
    grown = [held(at, resident_bytes=(500 + at) << 20) for at in range(100)]
    assert soak.faults(grown, 100.0) == ["memory grew"]
    assert "509.5, 529.5, 549.5, 569.5, 589.5" in capsys.readouterr().out
    for what, more in (("descriptors", 9), ("threads", 8), ("files", ("a", "a.tmp"))):
        turns = [held(at, **({what: more} if at > 90 else {})) for at in range(100)]
        (fault,) = soak.faults(turns, 100.0)
        assert fault.startswith(f"{what} grew")
    assert soak.faults([held(90)], 100.0) == ["too few turns to tell: allow more --minutes"]


@pytest.mark.slow
def test_a_short_soak_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/soak.py", "--minutes", "1", "--arch", "rnn"],
        cwd=BENCHMARKS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "resident memory" in done.stdout
