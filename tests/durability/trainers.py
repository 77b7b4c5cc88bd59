"""Trainers as processes of their own, many of them for the price of one import of TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import checkpoint

MODEL = "m.safetensors"
TINY = ["--arch", "rnn", "--layers", "1", "--hidden", "8", "--seq-length", "16", "-o", MODEL]
TINY += ["--batch-size", "4", "--dropout", "0.2", "--augment"]
SECONDS = 100.0  # at most, for anything that is waited for


def write_tunes(folder: Path) -> None:
    """A corpus of forty tunes, no two alike."""
    rng = np.random.default_rng(0)
    blocks = []
    for number in range(40):
        notes = ["".join(rng.choice(list("GABcdefg"), 4)) for _ in range(8)]
        blocks.append(f"X:{number}\nT:Tune {number}\nM:2/4\nL:1/8\nK:G\n{'|'.join(notes)}|]\n")
    (folder / "tunes.abc").write_text("\n".join(blocks))


class Trainers:
    """Runs ``seqgen train`` in a folder, one process at a time.

    Attributes:
        slowest_end: seconds from a signal to the end that it asked for, so far.
    """

    slowest_end = 0.0

    _from = _old = 0  # the step and the metrics file that the last run began with

    def __init__(self, folder: Path) -> None:
        self.folder, self.model = folder, folder / MODEL
        self.metrics = folder / "m.metrics.jsonl"
        self.said = folder.parent / f"{folder.name}.said"
        root = Path(__file__).parents[2]
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.zygote"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        write_tunes(folder)

    def start(self, *arguments: str, **task: Any) -> int:
        """The process of a new ``seqgen train``; its words before are forgotten."""
        assert self._zygote.stdin is not None
        self.said.write_text("")
        task = {"cwd": str(self.folder), "said": str(self.said), **task}
        task["arguments"] = ["train", *arguments]
        self._zygote.stdin.write(json.dumps(task) + "\n")
        self._zygote.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """The exit status of the process; a signal's is negative."""
        return self._answer()

    def _answer(self) -> int:
        assert self._zygote.stdout is not None
        return int(self._zygote.stdout.readline())

    def run(self, *arguments: str, **task: Any) -> int:
        """A whole command; its exit status."""
        self.start(*arguments, **task)
        return self.wait()

    def begin(self, steps: int, every: int, **task: Any) -> int:
        """Go on with the run that was interrupted, or begin one."""
        self._from = self.step or 0
        self._old = self.metrics.stat().st_ino if self.metrics.exists() else 0
        if self.model.exists():
            return self.start("--resume", "-o", MODEL, **task)
        steps_and_saves = ["--steps", str(steps), "--checkpoint-every", str(every)]
        return self.start("tunes.abc", *steps_and_saves, *TINY, **task)

    def forget(self) -> None:
        """Let the next run begin anew: what the last one has left would tell of its updates."""
        self.model.unlink(missing_ok=True)
        self.metrics.unlink(missing_ok=True)

    @property
    def step(self) -> int | None:
        """Where the model file stands; None where there is none. It must be whole."""
        if not self.model.exists():
            return None
        progress = checkpoint.load_training(self.model)[0].card.progress
        return None if progress is None else int(progress["step"])

    @property
    def finished(self) -> bool:
        """Whether the model file is that of a run which has ended. It must be whole."""
        return self.model.exists() and checkpoint.load(self.model).card.progress is None

    @property
    def last_written(self) -> int:
        """The last update that the metrics tell of."""
        if not self.metrics.exists():
            return 0
        lines = self.metrics.read_bytes().split(b"\n")[:-1]  # a last one may be cut off
        return int(json.loads(lines[-1])["step"]) if lines else 0

    @property
    def learns(self) -> bool:
        """Whether the run that was begun last has made an update."""
        begun = self.metrics.exists() and self.metrics.stat().st_ino != self._old
        return begun and self.last_written > self._from

    @property
    def temporaries(self) -> list[str]:
        """What a killed process left behind."""
        return [file.name for file in self.folder.glob(".*.tmp")]

    def close(self) -> None:
        """Let the helper end."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait()
        self._zygote.stdout.close()


@contextmanager
def trainers(folder: Path) -> Iterator[Trainers]:
    """Trainers for a folder, which is made."""
    folder.mkdir()
    those = Trainers(folder)
    try:
        yield those
    finally:
        those.close()


def wait_until(condition: Callable[[], bool], process: int) -> None:
    """Wait, while a process runs, for a condition."""
    deadline = time.monotonic() + SECONDS
    while not condition() and Path(f"/proc/{process}/fd").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
