"""Values and small networks that many tests share."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np

from seqgen.config import Architecture, ModelConfig
from seqgen.models import parameters
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.music import midi
from seqgen.music.abc.parser import parse_tune
from seqgen.music.performance import perform

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

TUNES = """\
X:1
T:The First
M:2/4
L:1/8
K:G
G2 B2|d2 B2|c2 A2|G4|]

X:2
T:The Second
M:6/8
L:1/8
K:D
d2f afd|e2c A3|d2f afd|ecA d3|]
"""


def make_config(arch: Architecture, vocabulary: int, context: int = 32) -> ModelConfig:
    """A network small enough for anything."""
    if arch == "transformer":
        return ModelConfig(arch, vocabulary, 2, 16, 16, 2, context, convolution=3)
    return ModelConfig(arch, vocabulary, 1, 16, 8, 0, context)


def make_weights(config: ModelConfig, seed: int = 0, spread: float = 0.3) -> parameters.Weights:
    """Weights of a network that is far from uniform, without training it."""
    rng = np.random.default_rng(seed)
    return {
        name: (weight + rng.normal(0.0, spread, weight.shape)).astype(np.float32)
        for name, weight in parameters.initialise(config, seed).items()
    }


def midi_of(tune: str) -> bytes:
    """A tune in ABC as a MIDI file."""
    return midi.write(perform(parse_tune(tune)))


def in_terminal(
    command: list[str], *, also_stderr: bool = False, **options: Any
) -> tuple[int, bytes]:
    """The exit status of a command, and what it sends to a terminal that is its stdout."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        command, stdout=side, stderr=side if also_stderr else subprocess.DEVNULL, **options
    )
    os.close(side)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    return process.wait(timeout=60), shown


def seqgen(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command line, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=100,
        check=False,
    )


def write(name: str, data: str | bytes) -> str:
    """A file in this folder, and its folders; returns its name."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return name


class Rows:
    """What a decoder can do whose state is a list, one value a row."""

    def keep(self, state: list[Any], rows: IntArray) -> list[Any]:
        return [state[row] for row in rows.tolist()]

    def put(self, state: list[Any], row: int, primed: list[Any]) -> None:
        state[row] = primed[0]

    def note(self, state: list[Any], row: int) -> Any:
        return state[row]

    def back(self, state: list[Any], row: int, noted: Any) -> bool:
        state[row] = noted
        return True


class BiasedNoise:
    """A decoder whose logits are noise, but for what it would rather or never draw."""

    def __init__(self, size: int, seed: int, bias: dict[int, float]) -> None:
        self.size = size
        self.random, self.bias = np.random.default_rng(seed), bias

    def start(self, _batch: int) -> None:
        return None

    def step(self, _ids: IntArray, _state: None) -> tuple[FloatArray, None]:
        logits = self.random.normal(0, 3, (1, self.size)).astype(np.float32)
        for token, added in self.bias.items():
            logits[0, token] += added
        return logits, None

    def prefill(self, ids: IntArray, state: None) -> tuple[FloatArray, None]:
        return self.step(ids, state)
