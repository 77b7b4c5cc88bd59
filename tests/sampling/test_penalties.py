"""What penalties remember of a batch, and how they stand to the grammar."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import checkpoint
from seqgen.config import SamplingConfig
from seqgen.errors import UsageError
from seqgen.models.decoders import Decoder
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import continuation
from seqgen.sampling.infill import Gaps
from seqgen.sampling.loops import Loops
from seqgen.sampling.penalties import END, Penalties, biases
from seqgen.sampling.sampler import Sampler
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE
from tests.sampling.test_constraint import Noise
from tests.support import TUNES

tokenizer = Tokenizer.learn("char", ["abcd\n="])
ids = st.integers(FIRST_PIECE, tokenizer.size - 1)


def slow(logits: list[float], prompt: list[int], drawn: list[int], config: SamplingConfig) -> Loops:
    """Changes one row as the definitions say, from the whole past; returns its loops."""
    bias = dict(config.logit_bias)
    for i in range(len(logits)):
        if i >= FIRST_PIECE:
            logits[i] += bias.get(tokenizer.pieces[i - FIRST_PIECE], 0.0)
        past = prompt + drawn
        last = (
            past if config.repeat_last_n < 0 else past[max(0, len(past) - config.repeat_last_n) :]
        )
        if i in (last if config.repeat_last_n else []):
            negative = logits[i] < 0
            penalty = config.repetition_penalty
            logits[i] = logits[i] * penalty if negative else logits[i] / penalty
        if i in drawn:
            logits[i] -= config.presence_penalty
        logits[i] -= config.frequency_penalty * drawn.count(i)
    return Loops(config.loop_penalty, np.array([prompt + drawn], np.int32))


@given(
    st.integers(0, 20).flatmap(
        lambda time: st.lists(st.lists(ids, min_size=time, max_size=time), min_size=1, max_size=3)
    ),
    st.lists(st.tuples(ids, ids, ids), max_size=20),
    st.builds(
        SamplingConfig,
        logit_bias=st.just(()) | st.just((("a", 2.5), ("=", -math.inf), ("a", -1.0))),
        repetition_penalty=st.just(1.0) | st.floats(0.2, 5),
        repeat_last_n=st.integers(-1, 8) | st.just(64),
        presence_penalty=st.just(0.0) | st.floats(-3, 3),
        frequency_penalty=st.just(0.0) | st.floats(-3, 3),
        loop_penalty=st.sampled_from([0.0, 4.0]),
    ),
    st.integers(0, 1000),
)
def test_a_batch_is_what_the_definitions_say(
    prompts: list[list[int]],
    draws: list[tuple[int, int, int]],
    config: SamplingConfig,
    seed: int,
) -> None:
    batch = len(prompts)
    logits = np.random.default_rng(seed).normal(0, 3, (batch, tokenizer.size)).astype(np.float32)
    logits[:, 3] = -np.inf
    before = logits.copy()
    penalties = Penalties(config, tokenizer, np.array(prompts, np.int32).reshape(batch, -1))
    for step in range(len(draws) + 1):
        got = penalties.apply(logits)
        for row in range(batch):
            expected = logits[row].astype(float).tolist()
            loops = slow(expected, prompts[row], [draw[row] for draw in draws[:step]], config)
            changed = np.array(expected)
            loops.hold(changed[None], slice(None))
            assert np.allclose(got[row], changed, atol=1e-9)
        if step < len(draws):
            penalties.add(np.array(draws[step][:batch], np.int32))
    assert (logits == before).all()


def test_a_sequence_that_begins_again_has_forgotten() -> None:
    config = SamplingConfig(
        repetition_penalty=2.0, repeat_last_n=5, presence_penalty=1.0, frequency_penalty=0.5,
        loop_penalty=4.0,
    )  # fmt: skip
    a, b, c = tokenizer.encode("abc").tolist()
    prompt = np.array([[a, b, c, a]] * 3, np.int32)
    logits = np.random.default_rng(0).normal(0, 3, (3, tokenizer.size)).astype(np.float32)

    def after(count: int, *, begins: bool) -> np.ndarray:
        penalties = Penalties(config, tokenizer, prompt)
        for step in range(40):
            if step == 40 - count:
                if begins:
                    penalties.renew(1, Penalties(config, tokenizer, prompt[:1]))
                else:
                    penalties = Penalties(config, tokenizer, prompt)
            penalties.add(np.array([a, (a, b, c)[step // 2 % 3], c], np.int32))
        penalties.keep(np.array([2, 1]))
        penalties.add(np.array([a, b], np.int32))
        return penalties.apply(logits[:2])[1]

    for count in (0, 1, 3, 5, 8, 39):
        assert np.allclose(after(count, begins=True), after(count, begins=False)), count


def test_a_token_is_named_by_its_text() -> None:
    def of(*texts: str, scheme: Tokenizer = tokenizer) -> list[int]:
        return biases(tuple((text, 1.0) for text in texts), scheme)[0].tolist()

    a, newline = tokenizer.encode("a\n").tolist()
    assert of("a", "\n", END) == [a, newline, BOUNDARY]
    assert of(r"\n") == [newline]
    events = Tokenizer.learn("remi", [])
    assert of("Bar_None", scheme=events) == [events.encode("Bar_None\n")[0]]
    with pytest.raises(UsageError, match=r"'ab'.* it is 2: 'a' 'b'"):
        of("ab")
    with pytest.raises(UsageError, match=r"'é'.*lacks"):
        of("é")
    pairs = Tokenizer.learn("bpe", ["the cat the dog the cow " * 9], size=40)
    merged = max(pairs.pieces, key=len)
    assert of(merged, scheme=pairs) == [FIRST_PIECE + pairs.pieces.index(merged)]


STRONG = [
    SamplingConfig(presence_penalty=-100.0, frequency_penalty=-100.0, max_tokens=120),
    SamplingConfig(repetition_penalty=0.01, repeat_last_n=-1, max_tokens=120),
    SamplingConfig(repetition_penalty=50.0, frequency_penalty=100.0, max_tokens=120),
    SamplingConfig(logit_bias=(("|", 100.0), ("]", 100.0), (END, 100.0)), max_tokens=120),
    SamplingConfig(logit_bias=(("|", -math.inf), ("\n", -math.inf)), max_tokens=120),
]


@pytest.mark.parametrize("config", STRONG)
def test_no_penalty_revives_what_the_grammar_forbids(config: SamplingConfig) -> None:
    abc = Tokenizer.learn("char", [TUNES])
    constraint = Constraint(abc, Conditions())
    for number in range(4):
        decoder: Decoder = Noise(abc.size)  # type: ignore[assignment]
        text = "".join(
            continuation(decoder, abc, "", config, seed=3, number=number, constraint=constraint)
        )
        assert Grammar().fault(text) is None, text


def test_a_ban_holds_where_there_is_a_choice() -> None:
    def drawn(*bias: tuple[str, float]) -> str:
        decoder: Decoder = Noise(tokenizer.size)  # type: ignore[assignment]
        config = SamplingConfig(logit_bias=bias, max_tokens=300)
        texts = (
            continuation(decoder, tokenizer, "", config, seed=1, number=number)
            for number in range(20)
        )
        return "".join("".join(text) for text in texts)

    assert set("abc=") <= set(drawn())
    assert "a" not in drawn(("a", -math.inf))
    # With the end banned every sample is as long as may be.
    assert len(drawn((END, -math.inf))) > len(drawn())


def test_open_bars_are_filled_with_the_same_filters() -> None:
    abc = Tokenizer.learn("char", [TUNES])
    gaps = Gaps("X:1\nT:a\nM:2/4\nL:1/8\nK:G\nG2 B2|?|c2 A2|?|]\n", "a.abc")

    def filled(*bias: tuple[str, float]) -> str:
        decoder: Decoder = Noise(abc.size)  # type: ignore[assignment]
        config = SamplingConfig(logit_bias=bias)
        constraint = Constraint(abc, Conditions())
        texts = (
            gaps.fill(decoder, abc, constraint, config, seed=2, number=number)
            for number in range(3)
        )
        return "".join(text.partition("B2|")[2] for text in texts)

    banned = "".join({*"ABCDEFab"} & set(abc.pieces))
    assert set(banned) & set(filled())
    without = filled(*((note, -math.inf) for note in banned)).replace("c2 A2", "")
    assert not set(banned) & set(without)


def test_greedy_with_a_repetition_penalty_does_not_stay_where_it_is() -> None:
    class Steady(Noise):
        def step(self, ids: np.ndarray, state: list[int]) -> tuple[np.ndarray, list[int]]:
            logits = np.full((1, tokenizer.size), -9.0, np.float32)
            logits[0, FIRST_PIECE:] = np.linspace(2.0, 1.5, tokenizer.size - FIRST_PIECE)
            return logits, state

    def drawn(**options: float) -> str:
        config = SamplingConfig(temperature=0, max_tokens=6, **options)  # type: ignore[arg-type]
        decoder: Decoder = Steady(tokenizer.size)  # type: ignore[assignment]
        return "".join(continuation(decoder, tokenizer, "", config, seed=0, number=0))

    first = tokenizer.pieces[0]
    assert drawn() == first * 6
    every = "".join(tokenizer.pieces)
    assert drawn(repetition_penalty=2.0) == every[:6]
    assert drawn(presence_penalty=5.0) == every[:6]
    # Of a window of one token the last but one is as good as new.
    assert drawn(repetition_penalty=2.0, repeat_last_n=1) == (every[0] + every[1]) * 3
    # The prompt has come for the one, and has not been drawn for the other.
    prompted = {}
    for name in ("repetition_penalty", "presence_penalty"):
        config = SamplingConfig(temperature=0, max_tokens=1, **{name: 2.0})  # type: ignore[arg-type]
        decoder: Decoder = Steady(tokenizer.size)  # type: ignore[assignment]
        pieces = continuation(decoder, tokenizer, first, config, seed=0, number=0)
        prompted[name] = "".join(pieces)
    assert prompted == {"repetition_penalty": every[1], "presence_penalty": first}


def test_a_temperature_goes_over_the_length_that_the_model_has_learnt(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.load(make_model())
    saved.card.corpus.update(documents=10, characters=1000)
    saved.card.metrics.update(nats_per_char=0.5, nats_per_token=1.0)
    heard: list[float] = []

    def listen(logits: np.ndarray, _: SamplingConfig, value: np.ndarray, *__: object) -> np.ndarray:
        heard.extend(value.tolist())
        probabilities = np.zeros(logits.shape)
        probabilities[:, FIRST_PIECE] = 1.0
        return probabilities

    monkeypatch.setattr("seqgen.sampling.generate.relative_probabilities", listen)
    for most, length in ((200, 50), (20, 20)):
        heard.clear()
        config = SamplingConfig(temperature=0.5, final_temperature=1.5, max_tokens=most)
        Sampler(saved, config, prompt="", seed=1, conditions=None).text(0)
        expected = np.linspace(0.5, 1.5, length).tolist() + [1.5] * (most - length)
        assert np.allclose(heard, expected)
