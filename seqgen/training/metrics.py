"""The numbers of a run, one JSON object a line, beside its model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seqgen.errors import OutputError
from seqgen.files import reason, write_atomically

__all__ = ["MetricsFile", "metrics_path"]


def metrics_path(model: Path) -> Path:
    """Where a run that writes ``model`` writes its metrics."""
    return model.with_name(f"{model.stem}.metrics.jsonl")


class MetricsFile:
    """Lines that are on disk as soon as they are written.

    A model is worth more than its metrics: when they can't be written any more, training goes on
    without them, and ``problem`` says why.

    Args:
        path: the file.
        after_step: keep the lines that are there up to this step; None begins anew.
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
        return b"".join(line for line in lines if _step_of(line) <= step)

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
