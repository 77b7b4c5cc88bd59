"""How fast `seqgen score` reads, and in how much memory.

    python benchmarks/score.py [-m MODEL] [--text FILE] [--megabytes 10]

The text is repeated until it is as large as asked for. Without --text it is made of random words,
and without -m the model is a small LSTM (1 x 256, random weights: they decide nothing here). Each
measurement is a process of its own, from its start to its end; what it takes beyond the smallest
input is what must not grow. As one file the text is a single sequence; by line, many are read at
once.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from seqgen import checkpoint
from seqgen.checkpoint import Card
from seqgen.config import ModelConfig
from seqgen.models.parameters import initialise
from seqgen.tokenization import Tokenizer

LEAST = 20_000  # characters a second
GROWTH_MB = 64  # of the memory, from a small input to the whole
SMALL = 10_000  # characters of the small input
LETTERS = "eeeeetttaaooiinnsshhrrdlucmfwypvbgkqjxz"


def words(size: int) -> str:
    """Random words in lines of about 40 characters."""
    rng = random.Random(0)
    text: list[str] = []
    count = 0
    while count < size:
        line = " ".join("".join(rng.choices(LETTERS, k=rng.randint(1, 9))) for _ in range(7))
        text.append(f"{line}\n")
        count += len(text[-1])
    return "".join(text)


def small_model(folder: Path, text: str) -> Path:
    """An LSTM that could have learnt the text."""
    tokenizer = Tokenizer.learn("char", [text])
    model = ModelConfig("lstm", tokenizer.size, 1, 256, 64, 0, 64)
    created = datetime.datetime.now(datetime.UTC).isoformat()
    path = folder / "small.safetensors"
    card = Card(model, tokenizer, "text", {}, {}, {}, {}, created)
    checkpoint.save(path, card, initialise(model, 0))
    return path


def measure(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory in MB of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print characters a second and memory, as one file and by line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-m", "--model", help="a model of text")
    parser.add_argument("--text", help="a text file")
    parser.add_argument("--megabytes", type=float, default=10.0)
    arguments = parser.parse_args()
    source = Path(arguments.text).read_text("utf-8") if arguments.text else words(1 << 20)
    size = int(arguments.megabytes * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(small_model(Path(folder), source))
        small, large = Path(folder, "small.txt"), Path(folder, "large.txt")
        small.write_text(source[:SMALL], "utf-8")
        text = (source * (size // len(source) + 1))[:size]
        large.write_text(text, "utf-8")
        print("by      characters/s   limit   cpu s     MB  growth  limit")
        for by in ("file", "line"):
            command = [sys.executable, "-m", "seqgen", "score", "-q", "-m", model, "--by", by]
            *_, before = measure([*command, str(small)])
            wall, cpu, peak = measure([*command, str(large)])
            rate = len(text) / wall
            print(
                f"{by:<6}{rate:>14,.0f}{LEAST:>8,}{cpu:>8.1f}{peak:>7.0f}{peak - before:>8.0f}"
                f"{GROWTH_MB:>7}"
            )


if __name__ == "__main__":
    main()
