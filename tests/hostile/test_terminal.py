"""Nothing that stands in a stranger's file reaches a terminal as a command to it."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen import checkpoint
from seqgen.tokenization import Tokenizer
from tests.support import in_terminal, make_config, make_weights

MakeModel = Callable[..., Path]
Case = tuple[list[str], int]

# A window's title, a cleared screen, red, a carriage return, the C1 form of ESC [, DEL, a bell, and
# text that runs from right to left.
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\x9b2J\x7f\x08\x07\u202ecba\u2028"
# What the commands themselves send: colours of text, and a line that moves while one waits.
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|1A|2K)|\r(?=\x1b)")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    """A folder of hostile files, and models whose vocabulary, names and cards are hostile."""
    path = make_model("lstm", kind="text", text=f"abc{EVIL}\n" * 3)
    folder = path.parent.parent
    saved = checkpoint.load(path)
    pieces = [EVIL + str(n) for n in range(9)]
    tokenizer = Tokenizer("char", pieces)
    config = make_config("lstm", tokenizer.size)
    card = dataclasses.replace(
        saved.card,
        model=config,
        tokenizer=tokenizer,
        corpus={"name": EVIL, "digest": EVIL},
        recipe={"steps": EVIL},
        versions={EVIL: EVIL},
        created=EVIL,
    )
    checkpoint.save(path, card, make_weights(config))
    (folder / f"{EVIL}.safetensors").write_bytes(path.read_bytes())
    make_model("lstm", name="tunes")
    tune = f'X:1\nT:{EVIL}\nC:{EVIL}\nM:2/4\nL:1/8\nK:C\n"^{EVIL}"CD EF|{EVIL}G|]\n'
    (folder / "evil.abc").write_bytes(tune.replace("\r", "").replace("\u2028", "").encode())
    good = tune.replace(f"|{EVIL}G|]", "|G4|]").replace("\r", "").replace("\u2028", "")
    (folder / "good.abc").write_bytes(good.encode())
    (folder / f"{EVIL}.abc").write_bytes(b"X:1\nK:C\n[C|\n")
    (folder / "evil.txt").write_bytes(f"word {EVIL}\n".encode() * 9)
    (folder / "evil.metrics.jsonl").write_text(EVIL)
    (folder / "evil.krn").write_bytes(f"**kern\n4c{EVIL}\n4\x1b[31mred\n*-\n".encode())
    (folder / "evil.musicxml").write_bytes(f"<score-partwise>{EVIL}</score-partwise>".encode())
    return folder


def shown(*arguments: str, cwd: Path) -> tuple[int, str]:
    """What a terminal is sent, stdout and stderr together."""
    environment = os.environ | {
        "TERM": "xterm-256color", "COLUMNS": "100", "TMUX": "1", "XDG_CACHE_HOME": str(cwd),
        "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    status, sent = in_terminal(
        [sys.executable, "-m", "seqgen", *arguments],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, also_stderr=True,
    )  # fmt: skip
    return status, sent.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


QUICK: list[Case] = [
    (["sample", "-m", "small", "--seed", "1", "--max-tokens", "30"], 0),
    (["sample", EVIL], 2),
    (["show", "small"], 0),
    (["show", "good.abc"], 0),
    (["score", "-m", "small", "--tokens", "evil.txt"], 0),
    (["convert", "good.abc", "--to", "abc", "-"], 0),
    (["corpus", "show", "good.abc"], 0),
    (["corpus", "show", "evil.txt"], 0),
    (["corpus", "show", "good.abc", EVIL], 1),
    (["corpus", "stats", "good.abc"], 0),
    (["plot", "evil.metrics.jsonl"], 1),
    (["train", EVIL], 1),
]  # fmt: skip
MORE: list[Case] = [
    (["sample", "-m", f"./{EVIL}.safetensors", "-v", "-n", "2", "-o", "out/"], 0),
    (["sample", "-m", EVIL], 1),
    (["sample", "-m", "tunes", "-p", f"X:1\nT:{EVIL}\nK:C\n[[", "--explain"], 1),
    (["show", "small", "--json"], 0),
    (["show", "evil.abc"], 0),
    (["score", "-m", "small", "evil.txt"], 0),
    (["score", "-m", "small", "--json", "--by", "line", "evil.txt"], 0),
    (["score", "-m", "tunes", "good.abc", f"{EVIL}.abc"], 0),
    (["check", "evil.abc", f"{EVIL}.abc"], 1),
    (["check", "--json", "evil.abc"], 1),
    (["convert", "good.abc", "--to", "musicxml", "-"], 0),
    (["convert", f"{EVIL}.abc", "out/"], 1),
    (["convert", "evil.krn", "--to", "abc", "-"], 0),
    (["convert", "evil.musicxml", "out/"], 1),
    (["corpus", "list"], 0),
    (["corpus", "stats", "--json", "good.abc"], 0),
    (["plot", EVIL], 1),
    (["train", "good.abc", f"{EVIL}.abc", "evil.txt"], 1),
    (["play", f"{EVIL}.abc"], 1),
    (["demo", EVIL], 2),
    (["sample", "--seed", EVIL], 2),
    (["sample", f"--{EVIL}"], 2),
]  # fmt: skip


def name_of(value: object) -> str:
    return " ".join(value).replace(EVIL, "EVIL") if isinstance(value, list) else ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)],
    ids=name_of,
)
def test_what_reaches_a_terminal(folder: Path, arguments: list[str], status: int) -> None:
    found, text = shown(*arguments, cwd=folder)
    assert found == status, text
    assert "\x1b[31mred" not in text
    left = OWN.sub("", text)
    assert not CONTROL.search(left), repr(left)
    assert "Traceback" not in left
    assert left.strip()


def test_a_pipe_gets_the_bytes_as_they_are(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "corpus", "show", "evil.txt"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == (folder / "evil.txt").read_bytes()
