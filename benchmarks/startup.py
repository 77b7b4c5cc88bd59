"""How fast the command line answers, as multiples of `python -c "import numpy"`.

    python benchmarks/startup.py [--runs 15] [-m MODEL]

Each round runs every command once, so that a machine that slows down slows down for all; what is
printed is the median over the rounds, and its ratio to the median of the import beside it. Without
-m a small model of random weights is made.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from seqgen import checkpoint
from seqgen.checkpoint import Card
from seqgen.config import ModelConfig
from seqgen.corpus import readers
from seqgen.models.parameters import initialise
from seqgen.tokenization import Tokenizer

LIMITS = {"seqgen --help": 2.5, "seqgen sample -n 1": 6.0}


def small_model(folder: Path) -> Path:
    """A model of about 1 MB with the embedded corpus's vocabulary."""
    tokenizer = Tokenizer.learn("abc", (d.text for d in readers.load([]).documents))
    model = ModelConfig("lstm", tokenizer.size, 1, 192, 64, 0, 64)
    card = Card(
        model=model,
        tokenizer=tokenizer,
        kind="abc",
        corpus={},
        recipe={},
        metrics={},
        versions={},
        created=datetime.datetime.now(datetime.UTC).isoformat(),
    )
    path = folder / "small.safetensors"
    checkpoint.save(path, card, initialise(model, 0))
    return path


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    elapsed = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.decode()[-500:]}")
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("-m", "--model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or str(small_model(Path(folder)))
        seqgen = [sys.executable, "-m", "seqgen"]
        draw = ["sample", "-m", model, "-n", "1", "--seed", "1", "-q", "--format", "abc"]
        commands = {
            'python -c "import numpy"': [sys.executable, "-c", "import numpy"],
            'python -c "import typer"': [sys.executable, "-c", "import typer"],
            "seqgen --version": [*seqgen, "--version"],
            "seqgen --help": [*seqgen, "--help"],
            "seqgen sample -n 1": [*seqgen, *draw],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs + 1):
            for name, command in commands.items():
                times[name].append(seconds(command))
    # The first round fills the caches.
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    base = medians['python -c "import numpy"']
    print(f"{'command':<28}{'median s':>10}{'ratio':>8}{'limit':>8}")
    for name, median in medians.items():
        limit = f"{LIMITS[name]:.1f}" if name in LIMITS else ""
        print(f"{name:<28}{median:>10.3f}{median / base:>8.2f}{limit:>8}")


if __name__ == "__main__":
    main()
