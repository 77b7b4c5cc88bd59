"""Ten pipelines in a real terminal, and what each shows, as a page of Markdown.

    python benchmarks/pipelines.py [--model MODEL] > docs/pipelines.md

Without a model of tunes it trains one on the embedded collection, for about two minutes; another,
of the tunes' titles, takes seconds. Each pipeline runs in bash in a terminal of 80 x 24 of its own,
in a folder that has the models in checkpoints/. What a shell user would see is written down, the
colours aside, and the exit status of every command in the pipeline. It needs Linux or macOS, bash,
jq, and the usual tools.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ROWS, COLUMNS = 24, 80
INTERRUPT_AFTER = 600  # bytes
SHOWN_LINES = 8  # of what was interrupted
TUNES = ["--budget", "2m", "--strip", "titles"]
TITLES = ["--steps", "300", "--hidden", "64", "--layers", "1", "--arch", "lstm"]
_STYLE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Pipeline:
    """What is typed, why, and whether Ctrl-C is pressed while it writes."""

    why: str
    command: str
    interrupted: bool = False


PIPELINES = [
    Pipeline(
        "A model of tunes in a pipe writes ABC notation, line by line: nothing is made that nobody "
        "reads.",
        "seqgen sample -m tunes --seed 7 -n 100000 | head -12",
    ),
    Pipeline(
        "The opening comes from a file; the tune is kept as ABC on the way to MIDI.",
        "printf 'X:1\\nM:6/8\\nL:1/8\\nK:G\\nGAB d2' > opening.abc\n"
        "cat opening.abc | seqgen sample -m tunes --seed 3 - | tee jig.abc | "
        "seqgen convert - - > jig.mid\n"
        "file jig.mid",
    ),
    Pipeline(
        "Each line is a prompt, each answer is a line, in order; `yes` has no end and is stopped.",
        "yes 'The ' | seqgen sample -m titles --seed 1 --lines | head -5",
    ),
    Pipeline(
        "What a line of JSON asks for, an object of JSON answers.",
        """printf '%s\\n' '{"id": "a", "key": "D", "bars": 8}' '{"id": "b", "meter": "3/4", """
        """"bars": 16, "n": 2}' |\n"""
        "  seqgen sample -m tunes --seed 5 --jsonl | "
        "jq -c '{id, seed, number, tokens, finish_reason}'",
    ),
    Pipeline(
        "How twenty samples ended.",
        "seqgen sample -m titles --seed 1 -n 20 --max-tokens 25 --json | jq -r .finish_reason | "
        "sort | uniq -c",
    ),
    Pipeline(
        "Titles by how little they surprise the model, in bits a character.",
        "seqgen score -m titles --by line titles.txt | sort -n | cut -f1,6- | sed -n '1,3p;$p'",
    ),
    Pipeline(
        "A tune in each of four keys, two at a time.",
        "printf '%s\\n' G D Amin Edor | xargs -P 2 -I{} seqgen sample -m tunes --seed 4 -q "
        "--key {} --bars 16 -o {}.abc\n"
        "grep -H '^K:' *.abc | sort",
    ),
    Pipeline(
        "What was written says how it was drawn, and is drawn again to the byte.",
        "seqgen sample -m tunes --seed 9 -n 3 --novel > three.abc\n"
        "seqgen replay three.abc | cmp - three.abc && echo same",
    ),
    Pipeline(
        "Is it valid? The faults go to a program, the total to the user.",
        "seqgen sample -m tunes -q --seed 2 -n 25 | seqgen check --json - | jq -s length",
    ),
    Pipeline(
        "Ctrl-C in the middle of it. What was written stands, there is no traceback, and the "
        "status is 130.",
        "seqgen sample -m tunes --seed 8 -n 100000",
        interrupted=True,
    ),
]


def shown(command: str, folder: Path, *, interrupted: bool) -> tuple[str, list[int]]:
    """What a command shows in a terminal, and the statuses of its last pipeline's parts."""
    reading, writing = os.pipe()
    leader, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "xterm",
        "LC_ALL": "C.UTF-8", "SEQGEN_CONFIG": "",
    }  # fmt: skip

    # The first terminal that a new session opens is the one in which Ctrl-C is pressed.
    opened = f"exec <>{os.ttyname(side)} >&0 2>&0; echo"
    process = subprocess.Popen(
        ["bash", "-c", f'{opened}\n{command}\necho "${{PIPESTATUS[*]}}" >&{writing}'],
        stdin=subprocess.DEVNULL, cwd=folder, env=environment, pass_fds=(writing,),
        start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    data = b""
    with contextlib.suppress(OSError):  # Linux: the other end is closed
        while part := os.read(leader, 1 << 16):
            if not data:  # it is open there
                os.close(side)
            data += part
            if interrupted and len(data) > INTERRUPT_AFTER:
                os.write(leader, b"\x03")
                interrupted = False
    process.wait()
    with os.fdopen(reading) as told:
        statuses = [int(each) for each in told.read().split()]
    os.close(leader)
    text = _STYLE.sub(b"", data).replace(b"\r\n", b"\n").decode()
    return text.removeprefix("\n"), statuses


def section(number: int, pipeline: Pipeline, folder: Path) -> str:
    """A pipeline as a part of the page."""
    text, statuses = shown(pipeline.command, folder, interrupted=pipeline.interrupted)
    lines = text.rstrip("\n").split("\n")
    if pipeline.interrupted and len(lines) > SHOWN_LINES + 2:
        lines = [*lines[:SHOWN_LINES], "...", lines[-1]]
    typed = [
        line if line.startswith("  ") else f"$ {line}" for line in pipeline.command.split("\n")
    ]
    ended = " ".join(map(str, statuses))
    return (
        f"## {number}\n\n{pipeline.why}\n\n```\n"
        + "\n".join([*typed, *lines])
        + f"\n```\n\n{'Status' if len(statuses) == 1 else 'Statuses'}: {ended}\n"
    )


def prepare(folder: Path, model: str | None) -> None:
    """The command, the models and a file of titles."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "seqgen"
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" -m seqgen "$@"\n'
    )
    command.chmod(0o755)
    (folder / "checkpoints").mkdir()

    def seqgen(*arguments: str) -> None:
        subprocess.run([command, *arguments], cwd=folder, check=True, stdout=sys.stderr)

    tunes = folder / "checkpoints" / "tunes.safetensors"
    if model is None:
        seqgen("train", *TUNES, "-o", str(tunes))
    else:
        shutil.copy(model, tunes)
    sys.path.insert(0, str(PROJECT))
    from seqgen.corpus import readers

    titles = [
        re.sub(r"^(.*), (The|An?)$", r"\2 \1", match[1])
        for document in readers.load([]).documents
        if (match := re.search(r"^T:[ ]*(.+?)(?: -- .*)?$", document.text, re.MULTILINE))
    ]
    (folder / "titles.txt").write_text("\n".join(titles) + "\n")
    seqgen("train", "titles.txt", *TITLES, "-o", "checkpoints/titles.safetensors")


def main() -> None:
    """Run them all and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--model", help="of tunes; without it, one is trained")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.model)
        print(
            "# Ten pipelines\n\n"
            "What seqgen shows in a shell: each was typed in bash in a terminal of 80 x 24, and\n"
            "stands here with all that came, colours aside, and the exit status of each command\n"
            "of its last pipeline (141 is a writer whose reader had enough).\n"
            "`python benchmarks/pipelines.py > docs/pipelines.md` writes this page.\n"
        )
        for number, pipeline in enumerate(PIPELINES, 1):
            print(section(number, pipeline, folder), flush=True)


if __name__ == "__main__":
    main()
