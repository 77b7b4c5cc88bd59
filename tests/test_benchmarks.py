"""The scripts in benchmarks/ that reach into the product still find there what they look for."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
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
    for place in places:
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
    curves.attempt("text-T/6", 84.0, [], tmp_path)
    # The first run trained for 13 of the 14 seconds that it was given.
    assert budgets == ["14.0s", "14.6s"]
    printed = capsys.readouterr().out.split()
    assert printed[3:] == ["13.0", "0.0", "1.9100", "1.9200", "met"]
