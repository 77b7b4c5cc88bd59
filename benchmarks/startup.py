"""How fast the command line answers, as multiples of `python -c "import numpy"` and of Typer's.

    python benchmarks/startup.py [--runs 15] [-m MODEL] [--nanogpt FOLDER] [--keras]

Each round runs every command once, so that a machine that slows down slows down for all; what is
printed is the median over the rounds, its ratio to the median of what stands beside it, and the
most memory it took. Without -m a small model of tunes is made, with random weights. All run from
byte code, as they do where they are installed; the first round makes it, in a folder of its own
(not that of the peers below, which is much).

With a checkout of karpathy/nanoGPT its sample.py draws 500 characters beside `seqgen sample`, both
from a Transformer of 4 blocks of 128; with --keras, the loop of the MIT lab (6.S191, lab 1) does
from an LSTM of 1024. Weights are random there too. These take long: they run in the first rounds
only. tiktoken, which sample.py imports but does not use for characters, may be missing: an empty
module stands for it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

NUMPY, TYPER = 'python -c "import numpy"', 'python -c "import typer"'
VERSION, HELP, SAMPLE = "seqgen --version", "seqgen --help", "seqgen sample -n 1"
NANOGPT, LIKE_NANOGPT = "nanoGPT's sample.py", "seqgen sample, 4 x 128"
KERAS, LIKE_KERAS = "MIT lab, Keras loop", "seqgen sample, LSTM 1024"
# Each command beside another, and at most what part of its time it may take.
LIMITS = {
    VERSION: (TYPER, 1.3),
    HELP: (TYPER, 2.0),
    SAMPLE: (NUMPY, 4.0),
    LIKE_NANOGPT: (NANOGPT, 1 / 6),
    LIKE_KERAS: (KERAS, 1 / 20),
}
MOST_MEMORY = {SAMPLE: 120}  # MB
PEERS = {NANOGPT, LIKE_NANOGPT, KERAS, LIKE_KERAS}
PEER_RUNS = 3
TOKENS = 500
CHARACTERS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BLOCKS, WIDTH, HEADS, WINDOW = 4, 128, 4, 64


class Command(NamedTuple):
    arguments: list[str]
    folder: Path | None = None  # to run in
    path: str | None = None  # before where Python looks for modules


def save(path: Path, arch: str, layers: int, hidden: int, embedding: int, heads: int) -> None:
    """Make a model of random weights, of tunes or of text by its file's name."""
    import datetime

    from seqgen import checkpoint
    from seqgen.checkpoint import Card
    from seqgen.config import ModelConfig
    from seqgen.corpus import readers
    from seqgen.models.parameters import initialise
    from seqgen.tokenization import Tokenizer

    if path.stem == "tunes":
        kind = "abc"
        tokenizer = Tokenizer.learn(kind, (d.text for d in readers.load([]).documents))
    else:
        kind, tokenizer = "text", Tokenizer.learn("char", [CHARACTERS])
    model = ModelConfig(arch, tokenizer.size, layers, hidden, embedding, heads, WINDOW)  # type: ignore[arg-type]
    card = Card(
        model=model,
        tokenizer=tokenizer,
        kind=kind,  # type: ignore[arg-type]
        corpus={},
        recipe={},
        metrics={},
        versions={},
        created=datetime.datetime.now(datetime.UTC).isoformat(),
    )
    checkpoint.save(path, card, initialise(model, 0))


def save_nanogpt(folder: Path, checkout: Path) -> None:
    """What nanoGPT's sample.py draws from: a checkpoint, and the characters."""
    import pickle

    import torch
    from peers import nanogpt

    network = nanogpt(checkout, len(CHARACTERS), WINDOW, BLOCKS, HEADS, WIDTH)
    names = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout", "bias")
    shape = {name: getattr(network.config, name) for name in names}
    state = {"model": network.state_dict(), "model_args": shape, "config": {"dataset": str(folder)}}
    torch.save(state, folder / "ckpt.pt")
    characters = {"stoi": {c: i for i, c in enumerate(CHARACTERS)}, "itos": list(CHARACTERS)}
    (folder / "meta.pkl").write_bytes(pickle.dumps(characters))
    (folder / "tiktoken.py").write_text("")


def apart(function: object, *arguments: object) -> None:
    """Call in another process: the memory of this one would count as that of what it runs."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("it could not be prepared")


def commands(
    folder: Path, model: str | None, nanogpt: Path | None, keras: bool
) -> dict[str, Command]:
    """What is timed, each prepared in the folder."""
    seqgen = [sys.executable, "-m", "seqgen"]

    def sample(path: str | Path, *options: str) -> Command:
        return Command(
            [*seqgen, "sample", "-m", str(path), "-n", "1", "--seed", "1", "-q", *options]
        )

    if model is None:
        model = str(folder / "tunes.safetensors")
        apart(save, Path(model), "lstm", 1, 192, 64, 0)
    found = {
        NUMPY: Command([sys.executable, "-c", "import numpy"]),
        TYPER: Command([sys.executable, "-c", "import typer"]),
        VERSION: Command([*seqgen, "--version"]),
        HELP: Command([*seqgen, "--help"]),
        SAMPLE: sample(model, "--format", "abc"),
    }
    length = ["--max-tokens", str(TOKENS), "--logit-bias", "<end>=-inf"]
    if nanogpt is not None:
        text = folder / "transformer.safetensors"
        apart(save, text, "transformer", BLOCKS, WIDTH, WIDTH, HEADS)
        apart(save_nanogpt, folder, nanogpt.resolve())
        options = {
            "out_dir": folder, "num_samples": 1, "max_new_tokens": TOKENS, "device": "cpu",
            "dtype": "float32", "start": "A",
        }  # fmt: skip
        drawn = [f"--{name}={value}" for name, value in options.items()]
        found[NANOGPT] = Command([sys.executable, "sample.py", *drawn], nanogpt, str(folder))
        found[LIKE_NANOGPT] = sample(text, *length)
    if keras:
        text = folder / "lstm.safetensors"
        apart(save, text, "lstm", 1, 1024, 256, 0)
        loop = "from decoding import keras_step, TOKENS\ndone, step = 0, keras_step()\n"
        loop += "while done < TOKENS: done += step()"
        found[KERAS] = Command([sys.executable, "-c", loop], Path(__file__).parent)
        found[LIKE_KERAS] = sample(text, *length)
    return found


def run(command: Command, byte_code: Path | None) -> tuple[float, float]:
    """Wall time of one run, and the most memory it took, in MB."""
    environment = dict(os.environ)
    if byte_code is not None:
        environment["PYTHONPYCACHEPREFIX"] = str(byte_code)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if command.path is not None:
        environment["PYTHONPATH"] = command.path
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, used = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command.arguments)} failed: {said.read().decode()[-500:]}")
    return elapsed, used.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("-m", "--model")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of karpathy/nanoGPT")
    parser.add_argument("--keras", action="store_true", help="beside the MIT lab's loop too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timed = commands(Path(folder), asked.model, asked.nanogpt, asked.keras)
        times: dict[str, list[float]] = {name: [] for name in timed}
        memory = dict.fromkeys(timed, 0.0)
        for number in range(asked.runs + 1):
            for name, command in timed.items():
                if name not in PEERS or number <= PEER_RUNS:
                    installed = name in (NANOGPT, KERAS)
                    seconds, size = run(command, None if installed else Path(folder) / "code")
                    times[name].append(seconds)
                    memory[name] = max(memory[name], size)
    # The first round fills the caches.
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    print(f"{'command':<26}{'median s':>9}{'ratio':>8}{'limit':>8}  {'beside':<26}   MB  limit")
    for name, median in medians.items():
        beside, limit = LIMITS.get(name, ("", 0.0))
        ratio = f"{median / medians[beside]:>8.2f}{limit:>8.2f}" if beside else " " * 16
        most = f"{MOST_MEMORY[name]:>7}" if name in MOST_MEMORY else ""
        print(f"{name:<26}{median:>9.3f}{ratio}  {beside:<26}{memory[name]:>5.0f}{most}")


if __name__ == "__main__":
    main()
