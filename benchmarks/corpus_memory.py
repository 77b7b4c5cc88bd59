"""What a large corpus takes: memory and speed of tokenizing it, memory of learning from it.

    python benchmarks/corpus_memory.py tinyshakespeare.txt --megabytes 1000

The text that is named is repeated, its paragraphs in another order each time, until it is as large
as asked for; it lies, with the cache, in a temporary folder (--folder says where). Memory is that
of all processes together, sampled every 20 ms: resident (what they share counted for each) and
proportional (counted once). It needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MB = 500  # of memory, while 1 GB is tokenized
LEAST_MB_PER_SECOND = 20
SCHEMES = ("char", "bpe")


def make_text(source: Path, target: Path, size_bytes: int) -> None:
    """Write a text of that size and a little more."""
    paragraphs = source.read_text("utf-8").split("\n\n")
    order = random.Random(0)
    with target.open("w", encoding="utf-8") as file:
        while file.tell() < size_bytes:
            order.shuffle(paragraphs)
            file.write("\n\n".join(paragraphs) + "\n\n")


def tokenize(text: str, scheme: str) -> None:
    """The way to the tokens as `seqgen train` goes it; prints the seconds of each stage."""
    from seqgen.cli import parts, tokens
    from seqgen.tokenization.encoded import encode

    stages: dict[str, float] = {}
    began = time.perf_counter()

    def done(stage: str) -> None:
        stages[stage] = time.perf_counter() - began - sum(stages.values())

    training, _ = parts.load([text], {})
    done("reading and dividing")
    tokenizer = tokens.learn(training, {"tokens": scheme})
    done("learning the vocabulary")
    assert training.digest
    done("digest")
    ids = encode(training, tokenizer)
    done("tokenizing")
    encode(training, tokenizer)
    done("finding it done")
    print(json.dumps({"stages": stages, "tokens": ids.tokens, "vocabulary": tokenizer.size}))


def train(text: str, validation: str, steps: int) -> None:
    """Learn, and print the resident memory in MB at twenty moments."""
    from seqgen.cli import runs
    from seqgen.training.events import Stepped

    options = {"arch": "lstm", "hidden": 64, "steps": steps, "validation": validation}
    timing = runs.Timing(began=time.perf_counter(), show_seconds=0.0)
    path, every = Path("model.safetensors"), max(1, steps // 20)
    with contextlib.ExitStack() as held:
        run = runs.begin([text], path, options, None, timing, held, force=True)
        memory = [
            round(resident_mb(os.getpid()))
            for event in run.events(stop=lambda: False)
            if isinstance(event, Stepped) and event.step % every == 0
        ]
    print(json.dumps(memory))


def resident_mb(pid: int, kind: str = "VmRSS", file: str = "status") -> float:
    """Memory of a process, 0 if there is none."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.M)
        return int(found[1]) * 1024 / 1e6 if found else 0.0
    return 0.0


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def run(folder: Path, *arguments: str) -> tuple[str, float, float]:
    """Output of a stage in a process of its own, and its most memory in MB both ways."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    resident = proportional = 0.0
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            pids = family(process.pid)
            resident = max(resident, sum(map(resident_mb, pids)))
            shared = (resident_mb(pid, "Pss", "smaps_rollup") for pid in pids)
            proportional = max(proportional, sum(shared))
            time.sleep(0.02)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{arguments[0]} failed")
    return output, resident, proportional


def main() -> None:
    """Print a table of the stages, and the figures beside their limits."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--schemes", nargs="*", choices=SCHEMES, default=["char"])
    parser.add_argument("--folder", help="for the temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_text(options.text, folder / "text.txt", options.megabytes * 10**6)
        megabytes = (folder / "text.txt").stat().st_size / 1e6
        for scheme in options.schemes:
            output, resident, proportional = run(folder, "tokenize", "text.txt", scheme)
            result = json.loads(output)
            print(f"{scheme}: {result['tokens']:,} tokens of {result['vocabulary']} kinds")
            for stage, seconds in result["stages"].items():
                print(f"  {stage:<28}{seconds:8.2f} s{megabytes / seconds:8.0f} MB/s")
            total = sum(result["stages"].values()) - result["stages"]["finding it done"]
            speed = megabytes / total
            print(f"  {'all':<28}{total:8.2f} s{speed:8.0f} MB/s (least: {LEAST_MB_PER_SECOND})")
            print(f"  memory {resident:.0f} MB resident (limit: {LIMIT_MB})", end="")
            print(f", {proportional:.0f} MB proportional")
        start = options.text.read_text("utf-8")[:20_000]
        (folder / "validation.txt").write_text(start, "utf-8")
        output, *_ = run(folder, "train", "text.txt", "validation.txt", str(options.steps))
        memory = json.loads(output)
        print(f"training: resident MB, {options.steps} steps: {' '.join(map(str, memory))}")
        print(f"  second half over first: {max(memory[10:]) / max(memory[:10]):.3f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["tokenize"]:
        tokenize(*sys.argv[2:])
    elif sys.argv[1:2] == ["train"]:
        train(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
