"""How fast seqgen reads ABC, beside music21's parser and abc2midi, measured in one run.

    python benchmarks/abc_speed.py FILE.abc [--music21-tunes 1000]

Prints processor seconds, MB/s and tunes/s of: seqgen to scores, seqgen to MIDI bytes, music21 to
scores (a sample of the tunes: it is slow), and abc2midi to files, run once for each tune; then the
ratios. seqgen and abc2midi read every tune of the file.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from seqgen.corpus.tunes import find_tunes
from seqgen.music.abc.parser import parse
from seqgen.music.midi import write
from seqgen.music.performance import perform

REPEATS = 3
T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What the work returns, done in a process of its own, so that nobody finds another's modules
    and objects in the way."""
    forks = multiprocessing.get_context("fork")
    results = forks.SimpleQueue()
    process = forks.Process(target=lambda: results.put(work()))
    process.start()
    result: T = results.get()
    process.join()
    return result


def cpu_seconds(work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """The least processor time that the work took, of several runs, what is prepared not counted.

    Each runs in a process of its own: seqgen remembers what it has read, and a user's tune is read
    once.
    """

    def once() -> float:
        prepare()
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(apart(once) for _ in range(REPEATS))


def parse_only(texts: list[str]) -> None:
    """Read each tune and let it go."""
    for text in texts:
        for _ in parse(text):
            pass


def to_midi(texts: list[str]) -> None:
    """Read each tune and make its MIDI bytes."""
    for text in texts:
        for parsed in parse(text):
            if parsed.tune is not None:
                write(perform(parsed.tune))


def read_by_music21(texts: list[str]) -> list[str]:
    """Those that it reads; some it raises an exception at."""
    from music21 import converter

    read = []
    for text in texts:
        with contextlib.suppress(Exception):
            converter.parse(text, format="abc", forceSource=True)
            read.append(text)
    return read


def with_music21(texts: list[str]) -> float:
    """Seconds music21 takes for the tunes."""

    def read_first() -> None:  # its own first-time work
        read_by_music21(texts[:1])

    return cpu_seconds(lambda: read_by_music21(texts), prepare=read_first)


def with_abc2midi(texts: list[str]) -> float:
    """Processor seconds of abc2midi's processes, one a tune: the least of several runs."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, text in enumerate(texts):
            path = Path(folder) / f"{number}.abc"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        runs = []
        for _ in range(REPEATS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            for path in paths:
                subprocess.run(
                    ["abc2midi", str(path), "-o", str(path.with_suffix(".mid")), "-quiet"],
                    stdout=subprocess.DEVNULL,
                    check=False,
                )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(runs)


def main() -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description="Time seqgen's ABC parser beside others.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--music21-tunes", type=int, default=1000)
    options = parser.parse_args()
    texts = find_tunes(options.file.read_text(encoding="utf-8"), suffix=".abc")
    rows: dict[str, tuple[float, list[str]]] = {
        "seqgen, to score": (cpu_seconds(lambda: parse_only(texts)), texts),
        "seqgen, to MIDI": (cpu_seconds(lambda: to_midi(texts)), texts),
    }
    chosen = texts[:: max(1, len(texts) // options.music21_tunes)]
    sample = apart(lambda: read_by_music21(chosen))
    rows["music21, to score"] = (with_music21(sample), sample)
    rows["seqgen, the same"] = (cpu_seconds(lambda: parse_only(sample)), sample)
    if shutil.which("abc2midi"):
        rows["abc2midi, to MIDI"] = (with_abc2midi(texts), texts)
    else:
        print("abc2midi is not installed, so it is left out; on Debian: apt install abcmidi")
    print(f"{'':<20}{'seconds':>9}{'MB/s':>9}{'tunes/s':>10}")
    for name, (seconds, read) in rows.items():
        size = sum(len(text.encode()) for text in read) / 1e6
        print(f"{name:<20}{seconds:>9.3f}{size / seconds:>9.4f}{len(read) / seconds:>10.1f}")

    def rate(name: str) -> float:
        seconds, read = rows[name]
        return len(read) / seconds

    against = rate("seqgen, the same") / rate("music21, to score")
    print(f"seqgen parses {against:.0f} times as many tunes a second as music21")
    if "abc2midi, to MIDI" in rows:
        against = rate("seqgen, to MIDI") / rate("abc2midi, to MIDI")
        print(f"seqgen makes MIDI of {against:.2f} times as many tunes a second as abc2midi")
    return 0


if __name__ == "__main__":
    sys.exit(main())
