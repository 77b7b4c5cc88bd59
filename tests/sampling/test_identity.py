"""A sample is the same alone, beside others, and wherever in a batch it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.checkpoint import Checkpoint
from seqgen.config import Architecture, SamplingConfig
from seqgen.models import decoders
from seqgen.sampling import borders, sampler
from seqgen.sampling.exact import Exact
from seqgen.sampling.likelihood import Scorer
from seqgen.sampling.sampler import VALID, Sampler
from tests.support import ARCHITECTURES

FILTERS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.8, "final_temperature": 1.2, "top_k": 20, "loop_penalty": 4.0},
    {"top_p": 0.9, "repetition_penalty": 1.3, "repeat_last_n": 9},
    {"min_p": 0.05, "presence_penalty": 0.3, "frequency_penalty": 0.1},
    {"typical_p": 0.8, "logit_bias": (("|", 1.5),), "stop": ("|]", "dd")},
]


def drawn(
    saved: Checkpoint,
    config: SamplingConfig,
    rows: int,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    monkeypatch.setattr(sampler, "_ROWS", rows)
    return list(Sampler(saved, config, prompt="", seed=7, conditions=None).texts(range(count)))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("constrained", [True, False])
def test_a_sample_is_the_same_whatever_the_batch(
    arch: Architecture,
    constrained: bool,
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = checkpoint.load(make_model(arch))
    if constrained:  # its masks are the same for all
        constraint = sampler.Constraint(saved.card.tokenizer, VALID)
        monkeypatch.setattr(sampler, "Constraint", lambda *_, **__: constraint)
    for options in FILTERS[::2] if constrained else FILTERS:
        one = Sampler(
            saved, SamplingConfig(max_tokens=50, **options), prompt="X:1\nT:", seed=7,
            conditions=VALID if constrained else None,
        )  # fmt: skip

        def texts(rows: int, numbers: range, one: Sampler = one) -> list[str]:
            monkeypatch.setattr(sampler, "_ROWS", rows)
            return list(one.texts(numbers))

        alone = [one.text(number) for number in range(7)]
        assert len(set(alone)) > 1 or not one.config.temperature
        for rows in (2, 64):  # the first gives the place of each to another
            assert texts(rows, range(7)) == alone
        assert texts(64, range(4, 7)) == alone[4:]


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_what_lies_on_a_border_is_the_same_in_float64(
    arch: Architecture, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.load(make_model(arch))
    asked: list[int] = []
    answers = Exact.answers

    def listen(self: Any, document: Any) -> Any:
        asked.append(document.place)
        return answers(self, document)

    monkeypatch.setattr(Exact, "answers", listen)
    for options in FILTERS:
        config = SamplingConfig(max_tokens=60, **options)
        usual = drawn(saved, config, 4, 6, monkeypatch)
        seldom = len(asked)
        with monkeypatch.context() as patch:
            patch.setattr(borders, "_ROUNDING", 1e3)  # everything is near a border
            assert drawn(saved, config, 4, 6, monkeypatch) == usual
        assert len(asked) - seldom > 10 * seldom
        asked.clear()


def test_float64_decides_where_float32_is_wrong(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With errors a thousand times larger than they are, but reckoned with, the text stays."""
    saved = checkpoint.load(make_model("lstm"))
    config = SamplingConfig(max_tokens=80)
    usual = drawn(saved, config, 4, 8, monkeypatch)
    build, noise = decoders.build, np.random.default_rng(0)

    def shaky(*arguments: Any) -> Any:
        decoder = build(*arguments)
        step = decoder.step

        def shaken(ids: Any, state: Any) -> Any:
            logits, state = step(ids, state)
            return logits + noise.uniform(-1e-2, 1e-2, logits.shape).astype(np.float32), state

        monkeypatch.setattr(decoder, "step", shaken)
        return decoder

    monkeypatch.setattr(decoders, "build", shaky)
    assert drawn(saved, config, 4, 8, monkeypatch) != usual
    monkeypatch.setattr(borders, "_ROUNDING", 3e-2)
    assert drawn(saved, config, 4, 8, monkeypatch) == usual


def test_pieces_come_in_order_and_the_first_as_it_is_drawn(
    make_model: Callable[..., Path],
) -> None:
    saved = checkpoint.load(make_model(kind="text"))
    drawing = Sampler(saved, SamplingConfig(max_tokens=50), prompt="T:", seed=1)
    pieces = list(drawing.pieces(range(9)))
    assert [number for number, _ in pieces] == sorted(number for number, _ in pieces)
    assert sum(number == 0 for number, _ in pieces) > 10
    texts = ["".join(text for own, text in pieces if own == number) for number in range(9)]
    assert [text + "\n" * (not text.endswith("\n")) for text in texts] == list(
        drawing.texts(range(9))
    )


def test_samples_without_any_text_keep_their_places(make_model: Callable[..., Path]) -> None:
    saved = checkpoint.load(make_model(kind="text"))
    config = SamplingConfig(max_tokens=3, logit_bias=(("<end>", 3.0),))
    texts = list(Sampler(saved, config, prompt="", seed=2).texts(range(40)))
    alone = Sampler(saved, config, prompt="", seed=2)
    assert texts == [alone.text(number) for number in range(40)]
    assert "\n" in texts[:-1]


def test_other_attempts_are_other_samples(make_model: Callable[..., Path]) -> None:
    saved = checkpoint.load(make_model(kind="text"))
    drawing = Sampler(saved, SamplingConfig(max_tokens=50), prompt="", seed=1)
    tries = [drawing.text(number, attempt=attempt) for number in (0, 1) for attempt in (0, 1, 2)]
    assert len(set(tries)) == 6


def test_the_best_of_some_is_the_likeliest_whatever_is_drawn_beside(
    make_model: Callable[..., Path],
) -> None:
    saved = checkpoint.load(make_model(kind="text"))
    config = SamplingConfig(max_tokens=40)
    plain = Sampler(saved, config, prompt="T:", seed=3)
    best = list(Sampler(saved, config, prompt="T:", seed=3, best_of=4).texts(range(5)))
    scorer = Scorer(saved)
    for number, text in enumerate(best):
        every = [plain.text(number, attempt=attempt).removesuffix("\n") for attempt in range(4)]
        nats = [each.nats.mean() for each in scorer.score(every, closed=False)]
        assert text.removesuffix("\n") == every[int(np.argmin(nats))]
    alone = Sampler(saved, config, prompt="T:", seed=3, best_of=4)
    assert [alone.text(number) for number in range(5)] == best
    assert best != list(plain.texts(range(5)))
    assert alone.text(0, attempt=1) != best[0]


def test_who_observes_is_told_of_one_sample_after_the_other(
    make_model: Callable[..., Path],
) -> None:
    saved = checkpoint.load(make_model())
    told: list[str] = []
    drawing = Sampler(
        saved, SamplingConfig(max_tokens=60), prompt="X:1\nT:", seed=1,
        observe=lambda text, _: told.append(text),
    )  # fmt: skip
    texts = list(drawing.texts(range(3)))
    assert "".join(told) == "".join(text.removeprefix("X:1\nT:").rstrip("\n") for text in texts)
