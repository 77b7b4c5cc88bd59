"""A section's last bar is drawn again until it completes the upbeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seqgen.config import SamplingConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.document import Ending
from seqgen.sampling.generate import Drawing
from seqgen.sampling.retakes import LEAST
from seqgen.tokenization import Scheme, Tokenizer
from tests.support import Rows

HEADER = "X:1\nT:a\nM:2/4\nL:1/8\nK:C\n"
FULL = HEADER + "A|BCDE|FGAB:|\n"
COMPLETE = HEADER + "A|BCDE|FGA:|\n"
LONGER = HEADER + "A|BCDE|FGAB|CDE:|\n"
OTHER = HEADER + "ABCD|EFGA:|\n"  # has no upbeat, so a full last bar is right
SHARES = {FULL: 0.7, COMPLETE: 0.2, LONGER: 0.1}


class Bard(Rows):
    """A network that knows a few tunes, and how likely each is.

    Args:
        forgets: whether it can't go back.
    """

    def __init__(self, tokenizer: Tokenizer, shares: dict[str, float], forgets: bool) -> None:
        self.size, self.forgets = tokenizer.size, forgets
        self.tunes = [(*tokenizer.encode(tune).tolist(), 0) for tune in shares]
        self.shares = [*shares.values()]
        self.read = 0

    def logits(self, ids: tuple[int, ...]) -> FloatArray:
        shares = np.full(self.size, 1e-12)
        for tune, share in zip(self.tunes, self.shares, strict=True):
            if tune[: len(ids)] == ids and len(tune) > len(ids):
                shares[tune[len(ids)]] += share
        return np.log(shares).astype(np.float32)

    def start(self, batch: int) -> list[tuple[int, ...]]:
        return [()] * batch

    def step(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        # A boundary begins another document.
        state[:] = [
            () if token == 0 else (*row, token)
            for row, token in zip(state, ids.tolist(), strict=True)
        ]
        return np.stack([self.logits(row) for row in state]), state

    def prefill(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        self.read += 1
        for column in ids.T:
            logits, state = self.step(column, state)
        return logits, state

    def back(self, state: Any, row: int, noted: Any) -> bool:
        return not self.forgets and super().back(state, row, noted)

    def reach(self) -> int | None:
        return None


def draw(
    tokenizer: Tokenizer,
    shares: dict[str, float],
    count: int,
    *,
    rows: int = 8,
    forgets: bool = False,
    prompt: str = "",
    observe: Any = None,
    **options: Any,
) -> tuple[list[str], list[Ending], Bard]:
    bard = Bard(tokenizer, shares, forgets)
    constraint = Constraint(tokenizer, Conditions())
    drawing = Drawing(
        bard, tokenizer, prompt, SamplingConfig(max_tokens=80, **options), seed=3,
        constraint=constraint, observe=observe,
    )  # fmt: skip
    texts, endings = [""] * count, [Ending((), "stop")] * count
    keys = [(number, 0) for number in range(count)]
    for place, text in drawing.samples(keys, rows=rows, ended=endings.__setitem__):
        texts[place] += text
    return texts, endings, bard


@pytest.fixture(params=["char", "abc", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    scheme: Scheme = request.param
    return Tokenizer.learn(scheme, [*SHARES, OTHER, FULL.replace(":|", "|]")])


def test_the_last_bar_completes_the_upbeat(tokenizer: Tokenizer) -> None:
    texts, endings, _ = draw(tokenizer, SHARES, 600)
    assert {*texts} == {COMPLETE, LONGER}
    for text, ending in zip(texts, endings, strict=True):
        assert tokenizer.decode(ending.ids) == text
        assert ending.reason == "end"
        assert Grammar().fault(text) is None
    assert texts.count(LONGER) / 600 == pytest.approx(0.1, abs=0.04)


def test_a_sample_is_the_same_alone_and_when_the_network_forgets(tokenizer: Tokenizer) -> None:
    texts, _, bard = draw(tokenizer, SHARES, 40)
    alone, _, _ = draw(tokenizer, SHARES, 40, rows=1)
    forgot, _, reader = draw(tokenizer, SHARES, 40, forgets=True)
    assert texts == alone == forgot
    assert bard.read == 1 < reader.read  # the prompt, and again what had been written


def test_without_an_upbeat_or_a_choice_it_stays(tokenizer: Tokenizer) -> None:
    assert {*draw(tokenizer, {OTHER: 1.0}, 5)[0]} == {OTHER}
    assert {*draw(tokenizer, {FULL: 1.0}, 5)[0]} == {FULL}
    assert {*draw(tokenizer, {FULL: 1.0, COMPLETE: LEAST / 50}, 20)[0]} == {FULL}
    assert {*draw(tokenizer, {FULL: 1.0, COMPLETE: LEAST * 2}, 20)[0]} == {COMPLETE}
    assert {*draw(tokenizer, SHARES, 3, temperature=0.0)[0]} == {FULL}


@pytest.mark.parametrize("line", [":|", "|]", "||"])
def test_whatever_the_line(tokenizer: Tokenizer, line: str) -> None:
    full, complete = (tune.replace(":|", line) for tune in (FULL, COMPLETE))
    texts, _, _ = draw(tokenizer, {full: 0.7, complete: 0.3}, 40)
    assert {*texts} == {complete}


@pytest.mark.parametrize("last", ["{", "-", "~", "("])
def test_a_bar_that_begins_in_a_token_behind_which_it_may_not_end(last: str) -> None:
    tail = {"{": "{d}BA:|", "-": "-AB:|", "~": "~BA:|", "(": "(BA):|"}[last]
    tune = HEADER.replace("2/4", "4/4") + f"A2|BCDEFGAB|CDEFGA{tail}\n"
    token, merges = "|", []
    for character in f"CDEFGA{last}":
        merges.append((token, character))
        token += character
    pieces = [*sorted({*tune}), *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer("bpe", pieces, merges)
    assert token in [tokenizer.decode([each]) for each in tokenizer.encode(tune)]
    assert {*draw(tokenizer, {tune: 1.0}, 3)[0]} == {tune}


def test_the_upbeat_may_come_from_the_prompt() -> None:
    tokenizer = Tokenizer.learn("abc", [*SHARES])  # byte pairs would fall otherwise in a part
    prompt = HEADER + "A|BC"
    texts, _, _ = draw(tokenizer, SHARES, 200, prompt=prompt)
    wholes = [prompt + text for text in texts]
    assert {*wholes} <= {*SHARES}
    assert FULL not in wholes


def test_penalties_and_stops_go_back_too(tokenizer: Tokenizer) -> None:
    options = {"repetition_penalty": 1.2, "repeat_last_n": 9, "frequency_penalty": 0.2}
    options |= {"loop_penalty": 4.0, "stop": ("GAB|C",)}
    texts, _, _ = draw(tokenizer, SHARES, 60, **options)
    alone, _, _ = draw(tokenizer, SHARES, 60, rows=1, **options)
    assert texts == alone
    assert HEADER + "A|BCDE|F" in texts
    assert not any("GAB|C" in text for text in texts)


def test_who_observes_is_told_what_stays(tokenizer: Tokenizer) -> None:
    told: list[str] = []
    texts, _, _ = draw(
        tokenizer, SHARES, 30, rows=1, observe=lambda text, removed: told.append(text)
    )
    assert "".join(told) == "".join(texts)


def test_bars_go_out_when_they_are_sure() -> None:
    tokenizer = Tokenizer.learn("char", [*SHARES])
    drawing = Drawing(
        Bard(tokenizer, SHARES, False), tokenizer, "", SamplingConfig(max_tokens=80), seed=3,
        constraint=Constraint(tokenizer, Conditions()),
    )  # fmt: skip
    pieces = [text for _, text in drawing.samples([(0, 0)])]
    assert "BCDE|" in "".join(pieces)
    # Without an upbeat yet, by the character; then by the bar, and the line's next character.
    assert pieces[: len(HEADER)] == [*HEADER]
    assert any(piece.startswith("CDE|") or piece.startswith("BCDE|") for piece in pieces)
