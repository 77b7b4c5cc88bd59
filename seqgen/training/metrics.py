"""The numbers of a run, one JSON object a line, beside its model file."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqgen.errors import InputError, OutputError
from seqgen.files import read_bytes, reason, write_atomically

__all__ = ["SUFFIX", "Curve", "MetricsFile", "metrics_path", "read_curves"]

SUFFIX = ".metrics.jsonl"


def metrics_path(model: Path) -> Path:
    """Where a run that writes ``model`` writes its metrics."""
    return model.with_name(model.stem + SUFFIX)


class MetricsFile:
    """Lines that are on disk as soon as they are written.

    A model is worth more than its metrics: when they can't be written any more, training goes on
    without them, and ``problem`` says why.

    Args:
        path: the file.
        after_step: keep the lines that are there up to this step, and all of the trainings that
            the model had before this one; None begins anew.
    Raises:
        OutputError: the file can't be opened.
    """

    def __init__(self, path: Path, *, after_step: int | None) -> None:
        self.path = path
        self.problem: str | None = None
        kept = b"" if after_step is None else self._up_to(after_step)
        write_atomically(path, kept)
        self._stream = path.open("ab")

    def _up_to(self, step: int) -> bytes:
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except OSError:
            return b""
        steps = [_step_of(line) for line in lines]
        begin, before = 0, -math.inf
        for place, at in enumerate(steps):
            if at < before:  # where a finished model was taught more
                begin = place
            before = at if math.isfinite(at) else before
        limits = [float(sys.maxsize)] * begin + [float(step)] * (len(lines) - begin)
        return b"".join(
            line for line, at, limit in zip(lines, steps, limits, strict=True) if at <= limit
        )

    def write(self, values: dict[str, Any]) -> None:
        """Add a line."""
        if self.problem is None:
            try:
                # NaN is not JSON, but a line about a bad update is worth more than strictness.
                self._stream.write(json.dumps(values).encode() + b"\n")
                self._stream.flush()
            except OSError as error:
                self.problem = f"{self.path}: no more metrics: {reason(error)}"

    def close(self) -> None:
        """Release the file."""
        try:
            self._stream.close()
        except OSError as error:  # what could not be flushed before can't be now
            self.problem = self.problem or str(OutputError(reason(error)))


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):  # cut off by a crash, or not ours
        return float("inf")


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over a run, where it was measured.

    Attributes:
        steps: updates before each value.
        seconds: training time before each value.
        values: the quantity; NaN where an update went wrong.
    """

    steps: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


def read_curves(path: Path) -> dict[str, Curve]:
    """The curves in a metrics file, by the quantity's name (``loss_nats``, ``bits_per_char`` …).

    A model that was taught more has its trainings one after the other. A last line that is cut off
    is left out: the run may be writing it.

    Raises:
        InputError: the file is missing, holds no line yet, or holds a line that is not of a run.
    """
    lines = read_bytes(path).splitlines(keepends=True)
    curves: dict[str, Curve] = {}
    step = seconds = first_step = first_seconds = 0.0
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith(b"\n"):
            break
        values = _numbers(line)
        if values is None:
            raise InputError(
                "is damaged: this line is not of a run's metrics; remove it to see the others",
                path=path,
                line=number,
            )
        if first_step + values["step"] < step:
            first_step, first_seconds = step, seconds
        step, seconds = first_step + values.pop("step"), first_seconds + values.pop("seconds")
        for name, value in values.items():
            curve = curves.setdefault(name, Curve())
            curve.steps.append(step)
            curve.seconds.append(seconds)
            curve.values.append(value)
    if not curves:
        raise InputError("holds no metrics yet; wait for the run's first updates", path=path)
    return curves


def _numbers(line: bytes) -> dict[str, float] | None:
    try:
        values = {str(name): float(value) for name, value in json.loads(line).items()}
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    placed = all(math.isfinite(values.get(name, math.nan)) for name in ("step", "seconds"))
    return values if placed else None
