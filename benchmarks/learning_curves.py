"""How good a model is after how much time, beside nanoGPT and the MIT lab's LSTM, in one run.

    python benchmarks/learning_curves.py --text tinyshakespeare.txt --nanogpt nanoGPT \
        --tunes irish-train.abc --tunes-validation irish-validation.abc

T is the training time that nanoGPT's recipe for a CPU takes on the text (4 layers x 128, windows of
64, batches of 12, 2,000 updates). R is the training time after which the MIT lab's recipe is at its
best on the tunes (embedding 256, LSTM 1024, Adam 5e-3, batches of 8 x 100 characters, up to 1,250
updates). Both are PyTorch's, and the evaluations are not counted. Then `seqgen train --budget`
learns the same within multiples of T and R, and is told nothing but the budget.

Losses are nats a character of the held-out text, all of it, dropout off: the last tenth of the
text, the validation part of the tunes. seqgen's are read from the run's metrics file, and so are
its seconds, which include the evaluations before. They begin with the first update; what a budget
has beside them is start-up. In the rows "after start-up" the budget is the limit with what start-up
takes on top of it: as in a run before all rows, which also compiles what a machine's first run has
to; if that is not enough, the row is run again by what its own start-up took. "wall" is the whole
command.

T and R can be given, with --t-seconds and --r-seconds, and rows be chosen, with --rows. All of it
takes 50 minutes where T is 85 s and R 208 s.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contest import is_installed
from numpy.typing import NDArray
from peers import MitLstm, NanoGPT, require_nanogpt

from seqgen.training.metrics import metrics_path, read_curves

Tokens = NDArray[np.int64]

MARGIN = 0.03  # of a limit; by so much may a run miss its budget
FIRST_SECONDS = 45.0  # of the run before the rows


@dataclass(frozen=True, slots=True)
class Row:
    """A loss to be reached within a time.

    Attributes:
        unit: ``T`` or ``R``, which also says on what.
        limit: in units.
        nats: per character, at most.
        options: of ``seqgen train`` beside the budget.
        after_startup: whether the time begins after the first update.
    """

    unit: str
    limit: float
    nats: float
    options: tuple[str, ...] = ()
    after_startup: bool = False


ROWS = {
    "text-T/6": Row("T", 1 / 6, 1.92, after_startup=True),
    "text-1T": Row("T", 1.0, 1.54),
    "text-2.1T": Row("T", 2.1, 1.4697),  # to aim for: what nanoGPT reaches in this time on an A100
    "text-3.5T": Row("T", 3.5, 1.4697),
    "text-14T": Row("T", 14.0, 1.43),
    "text-lstm-3.5T": Row("T", 3.5, 1.55, ("--arch", "lstm")),
    "tunes-R/5": Row("R", 1 / 5, 1.116, after_startup=True),
    "tunes-0.9R": Row("R", 0.9, 0.86),
    "tunes-1.5R": Row("R", 1.5, 0.82),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of ``seqgen train`` came to.

    Attributes:
        budget: seconds that it was given.
        nats: the best that counts, per character; infinite if none came in time.
        seconds: when.
        trained: seconds from the first update to the last.
        wall: seconds of the whole command.
    """

    budget: float
    nats: float
    seconds: float
    trained: float
    wall: float

    @property
    def startup(self) -> float:
        """Seconds before the first update."""
        return self.budget - self.trained


def learn(
    name: str, update: Callable[[int], None], nats: Callable[[], float], steps: int, every: int
) -> tuple[float, float]:
    """A peer's training seconds until its best evaluation, and its loss there."""
    seconds = 0.0
    seen: list[tuple[float, float]] = []  # loss, seconds
    for step in range(steps):
        began = time.perf_counter()
        update(step)
        seconds += time.perf_counter() - began
        if (step + 1) % every == 0 or step + 1 == steps:
            seen.append((nats(), seconds))
            print(f"{name}: step {step + 1}, {seconds:.1f} s, {seen[-1][0]:.4f}", file=sys.stderr)
    loss, at = min(seen)
    return at, loss


def encode(text: str, characters: list[str]) -> Tokens:
    """The place of each character among those that occur."""
    places = {character: place for place, character in enumerate(characters)}
    return np.array([places[character] for character in text], np.int64)


def learn_text(folder: Path, text: str, steps: int) -> tuple[float, float]:
    """T, and nanoGPT's loss at the end."""
    characters = sorted(set(text))
    tokens = encode(text, characters)
    known, held_back = np.split(tokens, [int(len(tokens) * 0.9)])
    peer = NanoGPT(folder, len(characters), steps=steps)
    return learn(
        "nanoGPT",
        lambda step: peer.update(known, step),
        lambda: peer.nats(held_back),
        steps,
        every=steps,
    )


def learn_tunes(training: str, validation: str, steps: int) -> tuple[float, float]:
    """R, and the lab's loss then."""
    characters = sorted(set(training + validation))
    known, held_back = encode(training, characters), encode(validation, characters)
    peer = MitLstm(len(characters))
    return learn(
        "the MIT lab's LSTM",
        lambda _: peer.update(known),
        lambda: peer.nats(held_back),
        steps,
        every=max(1, steps // 10),
    )


def train(row: Row, limit: float, budget: float, arguments: list[str], model: Path) -> Outcome:
    """Run ``seqgen train`` and read what it wrote down.

    Raises:
        subprocess.CalledProcessError: it ended with an error.
    """
    command = [sys.executable, "-m", "seqgen", "train", *arguments, *row.options]
    command += ["--budget", f"{budget:.1f}s", "-o", str(model), "--force"]
    print(f"$ seqgen {' '.join(command[3:])}", file=sys.stderr)
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    wall = time.perf_counter() - began
    curves = read_curves(metrics_path(model))
    updates, judged = curves["loss_nats"], curves["nats_per_char"]
    start = updates.seconds[0] if row.after_startup else 0.0
    in_time = [
        (nats, at - start)
        for nats, at in zip(judged.values, judged.seconds, strict=True)
        if at - start <= limit
    ]
    nats, at = min(in_time, default=(float("inf"), float("nan")))
    return Outcome(budget, nats, at, updates.seconds[-1] - updates.seconds[0], wall)


def attempt(name: str, unit: float, arguments: list[str], folder: Path, startup: float) -> None:
    """Run a row and print what came of it.

    Args:
        startup: about how many seconds a run takes until its first update.
    """
    row = ROWS[name]
    limit = row.limit * unit
    model = folder / f"{name.replace('/', '-')}.safetensors"
    trained = limit * (1 - MARGIN)
    budget = trained + startup if row.after_startup else limit
    outcome = train(row, limit, budget, arguments, model)
    if row.after_startup and outcome.nats > row.nats:
        outcome = train(row, limit, trained + outcome.startup, arguments, model)
    verdict = "met" if outcome.nats <= row.nats else "missed"
    print(
        f"{name:<16}{limit:>9.1f}{outcome.budget:>9.1f}{outcome.seconds:>9.1f}{outcome.wall:>9.1f}"
        f"{outcome.nats:>9.4f}{row.nats:>9.4f}  {verdict}",
        flush=True,
    )


def attempt_all(
    names: list[str], units: dict[str, float], arguments: dict[str, list[str]], folder: Path
) -> bool:
    """Run rows; whether all came to an end.

    Args:
        units: seconds of T and R.
        arguments: of ``seqgen train`` for each.
    """
    startup = 0.0
    if any(ROWS[name].after_startup for name in names):
        unit = ROWS[names[0]].unit
        first = Row(unit, 1.0, 0.0)
        model = folder / "first.safetensors"
        startup = train(first, FIRST_SECONDS, FIRST_SECONDS, arguments[unit], model).startup
    ended = True
    for name in names:
        unit = ROWS[name].unit
        try:
            attempt(name, units[unit], arguments[unit], folder, startup)
        except subprocess.CalledProcessError:
            print(f"{name:<16}seqgen ended with an error: see above", flush=True)
            ended = False
    return ended


def main() -> int:
    """Print T and R, then a line a row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--text", type=Path, help="tinyshakespeare")
    parser.add_argument("--tunes", type=Path, help="the training part of irish.abc")
    parser.add_argument("--tunes-validation", type=Path, help="the validation part of irish.abc")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of karpathy/nanoGPT")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--t-seconds", type=float, help="T, if it is known")
    parser.add_argument("--r-seconds", type=float, help="R, if it is known")
    parser.add_argument("--t-steps", type=int, default=2000, help="nanoGPT's updates")
    parser.add_argument("--r-steps", type=int, default=1250, help="the lab's updates")
    parser.add_argument("--seed", type=int, default=0, help="of seqgen's runs")
    parser.add_argument("--keep", type=Path, help="a folder for the models and their metrics")
    options = parser.parse_args()

    # All that can be missing is found before minutes are spent.
    units = {ROWS[name].unit for name in options.rows}
    if "T" in units and options.text is None:
        parser.error("these rows need --text FILE, which is tinyshakespeare")
    if "R" in units and None in (options.tunes, options.tunes_validation):
        parser.error("these rows need --tunes FILE and --tunes-validation FILE, parts of irish.abc")
    measured = {"T": options.t_seconds, "R": options.r_seconds}
    if "T" in units and measured["T"] is None:
        require_nanogpt(options.nanogpt)
    if any(measured[unit] is None for unit in units) and not is_installed("torch"):
        sys.exit(
            "PyTorch, which the peers need, is not installed: pip install torch, or name T and R "
            "with --t-seconds and --r-seconds"
        )
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in (options.text, options.tunes, options.tunes_validation)
        if path is not None
    }

    arguments = {
        "T": [str(options.text)],
        "R": [str(options.tunes), "--validation", str(options.tunes_validation)],
    }
    if "T" in units and measured["T"] is None:
        measured["T"], nats = learn_text(options.nanogpt, texts[options.text], options.t_steps)
        print(f"T = {measured['T']:.1f} s: nanoGPT's training time; it ends at {nats:.4f}")
    if "R" in units and measured["R"] is None:
        parts = texts[options.tunes], texts[options.tunes_validation]
        measured["R"], nats = learn_tunes(*parts, options.r_steps)
        print(f"R = {measured['R']:.1f} s: the MIT lab's LSTM is then at its best, {nats:.4f}")
    heads = "".join(
        f"{head:>9}" for head in ("limit s", "budget", "at s", "wall", "nats", "target")
    )
    print(f"{'row':<16}{heads}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = options.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        seeded = {unit: [*given, "--seed", str(options.seed)] for unit, given in arguments.items()}
        return int(not attempt_all(options.rows, measured, seeded, folder))


if __name__ == "__main__":
    sys.exit(main())
