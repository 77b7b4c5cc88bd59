"""What a tune's first lines say goes with the fields that are asked for below them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import SamplingConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import Drawing
from seqgen.sampling.sampler import Sampler
from seqgen.sampling.trials import MOST, Trial, Trials
from seqgen.tokenization import Tokenizer
from tests.support import Rows

HEADER = "X:1\nT:a\nN:{}\nM:{}\nL:1/8\nK:C\n"
TOKENIZER = Tokenizer.learn("char", [HEADER + "xy4/46/8CDEFGAB|]"])


class Teller(Rows):
    """A network that knows whole headers and how likely each is, and of music nothing."""

    def __init__(self, headers: dict[str, float], ends: float = 1e-12) -> None:
        self.headers, self.ends = headers, ends
        self.told: dict[str, FloatArray] = {}
        self.steps = 0

    def logits(self, ids: tuple[int, ...]) -> FloatArray:
        text = TOKENIZER.decode(ids)
        if text not in self.told:
            shares = np.full(TOKENIZER.size, 1e-12)
            shares[0] = self.ends
            for header, share in self.headers.items():
                if header.startswith(text) and header != text:
                    shares[TOKENIZER.encode(header[len(text)])[0]] += share
            if len(text) >= len(HEADER) and text.count("\n") == HEADER.count("\n"):
                shares[:] = 1.0
            self.told[text] = np.log(shares).astype(np.float32)
        return self.told[text]

    def start(self, batch: int) -> list[tuple[int, ...]]:
        return [()] * batch

    def step(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        self.steps += 1
        return self.read(ids[:, None], state)[0][:, 0], state

    def read(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        logits = []
        for column in ids.T.tolist():
            state[:] = [(*row, token) for row, token in zip(state, column, strict=True)]
            logits.append(np.stack([self.logits(row[1:]) for row in state]))
        return np.stack(logits, 1), state

    def prefill(self, ids: IntArray, state: Any) -> tuple[FloatArray, Any]:
        logits, state = self.read(ids, state)
        return logits[:, -1], state

    def row_bytes(self) -> int:
        return 1

    def reach(self) -> int | None:
        return None


def draw(teller: Teller, count: int, temperature: float = 1.0, **asked: str) -> list[str]:
    drawing = Drawing(
        teller,
        TOKENIZER,
        "",
        SamplingConfig(temperature=temperature, max_tokens=90),
        seed=5,
        constraint=Constraint(TOKENIZER, Conditions(**asked)),  # type: ignore[arg-type]
        exact=lambda: teller,
    )
    texts = [""] * count
    for place, text in drawing.samples([(number, 0) for number in range(count)], rows=64):
        texts[place] += text
    return texts


@pytest.mark.parametrize(
    ("of_x", "of_y", "share"),
    [(0.01, 0.99, 0.99), (0.3, 0.6, 2 / 3), (1e-8, 9e-8, 0.9)],
)
def test_what_is_written_before_a_field_is_as_likely_as_with_it(
    of_x: float, of_y: float, share: float
) -> None:
    """By Bayes' rule; also where no trial of the most that there are is kept."""
    teller = Teller(
        {
            HEADER.format("x", "6/8"): 0.5 * of_x,
            HEADER.format("x", "4/4"): 0.5 * (1.0 - of_x),
            HEADER.format("y", "6/8"): 0.5 * of_y,
            HEADER.format("y", "4/4"): 0.5 * (1.0 - of_y),
        }
    )
    count = 200
    texts = draw(teller, count, meter="6/8")
    assert all("\nM:6/8\n" in text and text.startswith("X:1\nT:a\nN:") for text in texts)
    found = sum("N:y" in text for text in texts) / count
    assert abs(found - share) < 4.0 * np.sqrt(share * (1.0 - share) / count) + 0.01
    if share == 0.99:  # nothing is asked for, nothing is on trial
        free = sum("N:y" in text for text in draw(teller, count)) / count
        assert 0.4 < free < 0.6


def test_the_likeliest_lines_are_not_tried_again() -> None:
    other, wanted = (HEADER.format("x", meter) for meter in ("4/4", "6/8"))
    teller = Teller({other: 1.0 - 1e-9, wanted: 1e-9})
    (text,) = draw(teller, 1, temperature=0.0, meter="6/8")
    assert text.startswith(wanted)
    assert teller.steps < 100  # for all of it; sixteen trials take five times as many


def test_a_model_that_would_end_the_tune_at_once() -> None:
    """Whether it is to end soon is asked before each token, but not of those that are known."""
    long = HEADER.replace("T:a", "T:" + 40 * "a")
    headers = {long.format(name, "4/4"): 0.5 for name in "xy"}
    for text in draw(Teller(headers, ends=0.02), 40, meter="6/8"):
        assert Grammar(Conditions(meter="6/8")).fault(text) is None


def trial(share: float, token: int) -> Trial:
    return Trial([token], [np.ones(1, np.bool_)], [share], [""])


def test_float64_is_asked_only_near_a_border() -> None:
    asked: list[float] = []

    def exactly(one: Trial) -> float:
        asked.append(one.shares[0])
        return float(np.log(one.shares[0] + 1e-4))

    trials = Trials()
    for uniform, kept in ((0.4, True), (0.6, False), (0.5002, False), (0.50005, True)):
        trials.now = trial(0.5, 1)
        assert trials.keeps(uniform, exactly) == kept
    assert asked == [0.5, 0.5]


def test_after_the_last_trial_one_is_taken() -> None:
    for uniform, token in ((0.0, 0), (0.49, 0), (0.51, 3), (0.999, 3)):
        trials = Trials()
        for number in range(MOST):
            assert not trials.resample(uniform, None)
            trials.now = trial(0.25 if number in (0, 3) else 0.0, number)
            assert not trials.keeps(0.9, None)
        assert trials.resample(uniform, None) == [token]
        assert trials.keeps(0.999, None)


@pytest.mark.parametrize("asked", [{"meter": "6/8"}, {"key": "G", "unit": "1/8"}])
def test_a_sample_is_the_same_alone_and_watched(
    asked: dict[str, str], make_model: Callable[..., Path]
) -> None:
    saved = checkpoint.load(make_model("lstm"))
    config = SamplingConfig(max_tokens=150, min_p=0.02)
    seen: list[str] = []

    def sampler(**more: Any) -> Sampler:
        return Sampler(saved, config, prompt="", seed=3, conditions=Conditions(**asked), **more)  # type: ignore[arg-type]

    together = list(sampler().texts(range(12)))
    assert [sampler().text(number) for number in (0, 5, 11)] == [together[n] for n in (0, 5, 11)]
    watched = list(sampler(observe=lambda text, _: seen.append(text)).texts(range(3)))
    assert watched == together[:3]
    assert "".join(seen).replace("\n", "") == "".join(watched).replace("\n", "")


def test_a_stop_text_within_the_first_lines(make_model: Callable[..., Path]) -> None:
    saved = checkpoint.load(make_model("lstm"))
    config = SamplingConfig(max_tokens=150, stop=("M:",))
    one = Sampler(saved, config, prompt="X:1\n", seed=3, conditions=Conditions(meter="6/8"))
    for sample in one.samples(range(4)):
        assert sample.ending.reason == "stop"
        assert "M:" not in sample.text
