"""Whether training and sampling, in turns for a long time, keep what they take.

    python benchmarks/soak.py [CORPUS] [--minutes 30] [--megabytes 512] [--arch transformer]

One process trains a small network with the defaults, evaluates and saves it every 50 updates, and
draws a tune or text from each file that it saved. After a tenth of the time its address space is
limited to what it has and MEGABYTES more; at the end, what it held in memory in the second fifth of
the time is compared with the last fifth. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

EVERY = 50  # updates
GROWTH_MB = 24  # of what is held in memory, at most
MB = 1 << 20


@dataclass(frozen=True)
class Held:
    """What the process holds at a moment."""

    seconds: float
    resident_bytes: int
    descriptors: int
    threads: int
    files: tuple[str, ...]


def held(began: float, folder: Path) -> Held:
    """What it holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(
        time.monotonic() - began,
        pages * resource.getpagesize(),
        len(list(Path("/proc/self/fd").iterdir())),
        len(list(Path("/proc/self/task").iterdir())),
        tuple(sorted(path.name for path in folder.iterdir())),
    )


def limit(megabytes: int) -> None:
    """Let the address space grow by so much and no more."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * MB,) * 2)


def soak(
    corpus: list[str], arch: str, folder: Path, seconds: float, megabytes: int
) -> tuple[list[Held], int, int]:
    """Train and sample in turns; what was held after each turn, the updates, and the samples."""
    from seqgen import checkpoint
    from seqgen.cli import runs
    from seqgen.config import DEFAULT_SAMPLING
    from seqgen.sampling.sampler import Sampler
    from seqgen.training.events import Saved

    began = time.monotonic()
    timing = runs.Timing(time.perf_counter(), 0.0)
    options = {"steps": 10_000_000, "arch": arch, "layers": 2, "hidden": 64, "compute": "plain"}
    seen: list[Held] = []
    with ExitStack() as lock:
        path = folder / "model.safetensors"
        run = runs.begin(corpus, path, options, EVERY, timing, lock, force=False)
        run.config = dataclasses.replace(run.config, evaluate_every=EVERY, patience=1 << 40)
        limited = False
        for event in run.events(stop=lambda: time.monotonic() - began > seconds):
            if not isinstance(event, Saved):
                continue
            saved = checkpoint.load(path)
            config = dataclasses.replace(DEFAULT_SAMPLING[saved.card.kind], max_tokens=200)
            Sampler(saved, config, prompt="", seed=event.step).text(0)
            seen.append(held(began, folder))
            if not limited and seen[-1].seconds > seconds / 10:
                limit(megabytes)
                limited = True
    return seen, run.step, len(seen)


def faults(seen: list[Held], seconds: float) -> list[str]:
    """What grew or was left behind; prints what was held."""
    early = [each for each in seen if seconds / 5 < each.seconds < 2 * seconds / 5]
    late = [each for each in seen if each.seconds > 4 * seconds / 5]
    if not early or not late:
        return ["too few turns to tell: allow more --minutes"]
    found = []
    fifths = [[each for each in seen if int(5 * each.seconds / seconds) == n] for n in range(5)]
    memory = [statistics.median(e.resident_bytes for e in part) / MB for part in fifths if part]
    print(f"resident memory, MB, in each fifth: {', '.join(f'{each:.1f}' for each in memory)}")
    if memory[-1] - memory[1] > GROWTH_MB:
        found.append("memory grew")
    for what in ("descriptors", "threads", "files"):
        values = [{getattr(each, what) for each in part} for part in (early, late)]
        print(f"{what}: {values[1]}")
        if not values[1] <= values[0]:
            found.append(f"{what} grew: {values[0]} to {values[1]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", nargs="*")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--arch", default="transformer")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        seen, updates, samples = soak(
            options.corpus, options.arch, Path(folder), seconds, options.megabytes
        )
        print(
            f"{options.minutes:g} minutes, {options.arch}: {updates:,} updates, {samples:,} turns"
        )
        found = faults(seen, seconds)
    sys.exit("\n".join(found) or None)  # an empty text would be a failure


if __name__ == "__main__":
    main()
