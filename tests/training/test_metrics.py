"""A run's numbers on disk: what is kept when it goes on, and what is read back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from seqgen.errors import InputError
from seqgen.training.metrics import MetricsFile, metrics_path, read_curves


def write(path: Path, *lines: dict[str, float], end: str = "") -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + end)
    return path


def at(step: int, **values: float) -> dict[str, float]:
    return {"step": step, "seconds": step / 10, **values}


def test_a_name_with_dots_keeps_them() -> None:
    assert metrics_path(Path("a/b.c.safetensors")) == Path("a/b.c.metrics.jsonl")


def test_each_quantity_is_a_curve(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m",
        at(1, loss_nats=3.0, gradient_norm=1.0),
        at(2, loss_nats=math.nan, gradient_norm=math.inf),
        at(2, bits_per_char=2.5),
        at(3, loss_nats=2.0, gradient_norm=0.5),
        end='{"step": 4, "sec',  # being written
    )
    curves = read_curves(path)
    assert set(curves) == {"loss_nats", "gradient_norm", "bits_per_char"}
    assert curves["loss_nats"].steps == [1, 2, 3]
    assert curves["loss_nats"].seconds == pytest.approx([0.1, 0.2, 0.3])
    assert math.isnan(curves["loss_nats"].values[1])
    assert curves["gradient_norm"].values == [1.0, math.inf, 0.5]
    assert (curves["bits_per_char"].steps, curves["bits_per_char"].values) == ([2], [2.5])


def test_a_model_that_was_taught_more_has_one_curve(tmp_path: Path) -> None:
    first, second = [at(1, a=1), at(10, a=2)], [at(0, a=3), at(4, a=4)]
    curve = read_curves(write(tmp_path / "m", *first, *second, at(0, a=5)))["a"]
    assert curve.steps == [1, 10, 10, 14, 14]
    assert curve.seconds == pytest.approx([0.1, 1.0, 1.0, 1.4, 1.4])


def test_going_on_keeps_earlier_trainings_whole(tmp_path: Path) -> None:
    first = [at(1, a=1), at(10, a=2)]
    path = write(tmp_path / "m", *first, at(0, a=3), at(2, a=4), at(3, a=5), end='{"step": 4')
    MetricsFile(path, after_step=2).close()
    assert read_curves(path)["a"].values == [1, 2, 3, 4]
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "line",
    ["{", "7", "null", '{"step": 2}', '{"step": 2, "seconds": NaN}', "[" * 9999, "\xff",
     '{"step": 2, "seconds": 1, "loss_nats": "low"}', '{"step": 2, "seconds": 1, "a": [1]}'],
    ids=range(9),
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "m", at(1, a=1), end=line + "\n")
    with pytest.raises(InputError, match="m:2: is damaged: this line"):
        read_curves(path)


@pytest.mark.parametrize("contents", ["", '{"step": 1'])
def test_no_line_yet(tmp_path: Path, contents: str) -> None:
    path = tmp_path / "m"
    path.write_text(contents)
    with pytest.raises(InputError, match="no metrics yet"):
        read_curves(path)
