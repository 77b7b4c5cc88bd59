"""Random walks through what may be drawn, in which ties, marks and bar lines abound.

A network, trained or not, comes to such places by luck: of untrained networks' tunes one in a
thousand had a tie that abc2midi lost, and of such walks one in a hundred.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.music.abc.grammar.finish import Finisher
from seqgen.music.abc.parser import parse
from seqgen.sampling.constraint import Constraint
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

METERS = ("2/4", "3/4", "4/4", "6/8", "9/8", "12/8", "5/4", "7/8", "C", "C|")
KEYS = ("C", "F#", "Gb", "D#min", "Bbdor", "Ephr", "Ablyd", "Amix", "C#loc")
FAVOURED = {"-": 30, "ABCDEFGabcdefg": 4, "^_=": 3, "T~H.uvLMPSO": 3, "|": 6, "[": 3, '"({': 1.5}
# What abc2midi says of real tunes, too.
TOLERATED = ("repeat", "time units while the time signature has", "before |:")


def complaints(tunes: list[str], folder: Path) -> list[str]:
    """What abc2midi says of tunes, and with it the tune."""
    found = []
    for tune in tunes:
        (folder / "a.abc").write_text(tune, encoding="utf-8")
        done = subprocess.run(
            ["abc2midi", "a.abc", "-o", "a.mid"], cwd=folder, capture_output=True, check=False
        )
        for line in (done.stdout + done.stderr).decode("latin-1").splitlines():
            told = "Error" in line or "Warning" in line
            if told and not any(each in line for each in TOLERATED):
                found.append(f"{line}\n{tune}")
    return found


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 50), *(pytest.param(seed, 1000, marks=pytest.mark.fuzz) for seed in range(1, 9))],
)
def test_a_walk_ends_as_a_valid_tune_that_other_programs_read(
    seed: int, count: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    tokenizer = Tokenizer("char", [*map(chr, range(32, 127)), "\n"])
    usual = np.ones(tokenizer.size)
    usual[BOUNDARY] = 0.0
    for characters, weight in FAVOURED.items():
        for each in characters:
            usual[FIRST_PIECE + tokenizer.pieces.index(each)] = weight
    tunes: list[str] = []
    while len(tunes) < count:
        meter, key = rng.choice(METERS), rng.choice(KEYS)
        asked = Conditions(meter=meter, key=key)
        if not rng.integers(3):
            bars, form = 2 * int(rng.integers(1, 4)), rng.choice(["", "A", "AA", "AABB"])
            asked = Conditions(meter=meter, key=key, bars=bars, form=str(form))
        constraint = Constraint(tokenizer, asked)
        unit = rng.choice(["1/4", "1/8", "1/16"])
        prompt = f"X:1\nT:x\nM:{meter}\nL:{unit}\nK:{key}\n"
        for _ in range(25):
            state, text = constraint.begin(prompt), prompt
            weights = usual * np.exp(1.3 * rng.normal(size=tokenizer.size))
            for _ in range(rng.integers(30, 260)):
                shares = np.where(constraint.allowed(state), weights, 0.0).cumsum()
                if not shares[-1]:
                    break
                token = int(shares.searchsorted(rng.random() * shares[-1], "right"))
                text += tokenizer.pieces[token - FIRST_PIECE]
                state = constraint.advance(state, token)
            ending = Finisher(constraint.grammar).text(state)
            assert ending is not None, text
            tunes.append(text + ending)
            assert Grammar(asked).fault(tunes[-1]) is None, tunes[-1]
    for tune in tunes:
        assert Grammar().fault(tune) is None, tune
        assert not next(parse(tune)).diagnostics, tune
    if shutil.which("abc2midi") is not None:
        assert complaints(tunes, tmp_path) == []
