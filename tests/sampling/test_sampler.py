"""Models of stripped tunes: they go on where the heading ends, and a whole tune comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen import checkpoint
from seqgen.config import Architecture, SamplingConfig
from seqgen.corpus.stripping import Strip, strip
from seqgen.errors import InputError, UsageError
from seqgen.music.abc.grammar import Grammar
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.sampling.infill import Gaps
from seqgen.sampling.sampler import VALID, Sampler
from seqgen.tokenization import Scheme
from tests.support import TUNES

CONFIG = SamplingConfig(max_tokens=300)
WHAT: list[Strip] = ["numbers", "titles"]


@pytest.fixture
def make_stripped(make_model: Callable[..., Path]) -> Callable[..., checkpoint.Checkpoint]:
    """A model whose vocabulary lacks what was stripped."""

    def make(what: Strip, scheme: Scheme = "char") -> checkpoint.Checkpoint:
        text = "\n".join(strip(tune, what) for tune in TUNES.split("\n\n"))
        saved = checkpoint.load(make_model(scheme=scheme, text=text))
        corpus = {**saved.card.corpus, "strip": what}
        return dataclasses.replace(saved, card=dataclasses.replace(saved.card, corpus=corpus))

    return make


def heard(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the network reads before it draws."""
    prompts: list[str] = []
    decoder, tokenizer = sampler._decoder, sampler.saved.card.tokenizer
    prefill = decoder.prefill

    def listen(ids, state):  # type: ignore[no-untyped-def]
        prompts.append(tokenizer.decode(ids[0].tolist()))
        return prefill(ids, state)

    monkeypatch.setattr(decoder, "prefill", listen)
    return prompts


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("scheme", ["char", "abc"])
def test_a_heading_stands_before_what_is_drawn(
    make_stripped: Callable[..., checkpoint.Checkpoint],
    what: Strip,
    scheme: Scheme,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = Sampler(make_stripped(what, scheme), CONFIG, prompt="", seed=1)
    prompts = heard(sampler, monkeypatch)
    for number in range(3):
        text = sampler.text(number)
        assert text.startswith(f"X:{number + 1}\n" + "T:Untitled\n" * (what == "titles"))
        assert Grammar().fault(text) is None, text
    assert prompts == [""] * 3
    free = Sampler(make_stripped(what, scheme), CONFIG, prompt="", seed=1, conditions=None)
    assert free.text(4).startswith("X:5\n")


def test_the_title_asked_for_and_the_prompts_own_are_kept_from_the_model(
    make_stripped: Callable[..., checkpoint.Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = make_stripped("titles")
    titled = Sampler(saved, CONFIG, prompt="", seed=1, conditions=Conditions(title="Zünftig"))
    prompts = heard(titled, monkeypatch)
    assert titled.text(0).startswith("X:1\nT:Zünftig\n")
    assert prompts == [""]
    with pytest.raises(UsageError, match="another title"):
        Sampler(saved, CONFIG, prompt="T:Own\n", seed=1, conditions=Conditions(title="Zünftig"))
    prompted = Sampler(saved, CONFIG, prompt="X:9\nT:Own\nM:6/8\n", seed=1, conditions=VALID)
    prompts = heard(prompted, monkeypatch)
    assert prompted.text(0).startswith("X:9\nT:Own\nM:6/8\n")
    assert prompts == ["M:6/8\n"]


def test_a_wrong_prompt_is_refused_at_its_own_line(
    make_stripped: Callable[..., checkpoint.Checkpoint],
) -> None:
    sampler = Sampler(make_stripped("titles"), CONFIG, prompt="M:6/8\nM:?", seed=1)
    with pytest.raises(InputError) as caught:
        sampler.text(0)
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_open_bars_are_filled_without_the_heading(
    make_stripped: Callable[..., checkpoint.Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "X:1\nT:Gap\nM:2/4\nL:1/8\nK:G\nG2 B2|?|c2 A2|G4|]\n"
    config = SamplingConfig(max_tokens=300, temperature=0.5)
    sampler = Sampler(
        make_stripped("titles"), config, prompt="", seed=1, gaps=Gaps(text, "gap.abc")
    )
    prompts = heard(sampler, monkeypatch)
    filled = sampler.text(0)
    assert filled.startswith("X:1\nT:Gap\nM:2/4\n")
    assert prompts
    assert all(prompt.startswith("M:2/4\n") for prompt in prompts)
    assert filled.count("|") == text.count("|")


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_at_temperature_0_the_seed_decides_nothing(
    arch: Architecture, make_model: Callable[..., Path]
) -> None:
    saved = checkpoint.load(make_model(arch))
    config = SamplingConfig(temperature=0.0, max_tokens=120)
    texts = {Sampler(saved, config, prompt="", seed=seed).text(0) for seed in range(12)}
    assert len(texts) == 1
