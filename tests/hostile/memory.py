"""How much memory it takes to read a model file: ``python -m tests.hostile.memory FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from seqgen import checkpoint
from seqgen.errors import CheckpointError
from tests.hostile import guard


def main(path: Path) -> None:
    """Print by how much reading made this process larger, and the error it ended with."""
    empty = path.with_name("empty")
    empty.touch()
    for _ in range(2):  # all that is imported late
        try:
            import safetensors  # noqa: F401

            checkpoint.load(empty)
        except CheckpointError:
            pass
    before = guard.peak_bytes()
    error = ""
    try:
        checkpoint.load(path)
    except CheckpointError as problem:
        error = str(problem)
    print(json.dumps({"grown_bytes": guard.peak_bytes() - before, "error": error}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
