"""Generation with scripted networks: what they spell is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.config import SamplingConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.sampling.generate import continuation
from seqgen.tokenization import Scheme, Tokenizer

GREEDY = SamplingConfig(temperature=0)


class Scripted:
    """A decoder that spells ``script`` whatever it is told, then ends the document."""

    def __init__(self, tokenizer: Tokenizer, script: str) -> None:
        self.size = tokenizer.size
        self.script = [*tokenizer.encode(script), 0]
        self.read: list[int] = []

    def start(self, batch: int) -> int:
        assert batch == 1
        return 0

    def step(self, ids: IntArray, state: int) -> tuple[FloatArray, int]:
        self.read += ids.tolist()
        logits = np.zeros((1, self.size), np.float32)
        logits[0, self.script[min(state, len(self.script) - 1)]] = 50.0
        return logits, state + 1

    def prefill(self, ids: IntArray, state: int) -> tuple[FloatArray, int]:
        self.read += ids[0, :-1].tolist()
        return self.step(ids[:, -1], state)


tokenizer = Tokenizer.learn("char", ["abcdefghijklmnop \n|"])


def spell(script: str, config: SamplingConfig = GREEDY, prompt: str = "") -> list[str]:
    decoder = Scripted(tokenizer, script)
    return list(continuation(decoder, tokenizer, prompt, config, seed=0, number=0))


def test_it_spells_a_known_tune_and_ends() -> None:
    assert "".join(spell("abc|def|\n")) == "abc|def|\n"


def test_text_comes_as_it_is_certain() -> None:
    assert spell("aéb") == ["a", "é", "b"]


def test_the_prompt_is_read_after_the_boundary_and_not_repeated() -> None:
    decoder = Scripted(tokenizer, "d")
    text = "".join(continuation(decoder, tokenizer, "abc", GREEDY, seed=0, number=0))
    assert text == "d"
    assert decoder.read == [0, *tokenizer.encode("abc"), *tokenizer.encode("d")]


def test_max_tokens() -> None:
    config = SamplingConfig(temperature=0, max_tokens=3)
    assert "".join(spell("abcdef", config)) == "abc"


@pytest.mark.parametrize(
    ("script", "stop", "expected"),
    [
        ("abcdef", ("cd",), "ab"),
        ("abcdef", ("a",), ""),
        ("abcdef", ("x",), "abcdef"),
        ("aabaabaac", ("aabaac",), "aab"),  # a false start that shares its end with the true one
        ("abcab", ("abd",), "abcab"),  # held back at the end, and let go
        ("abcdef", ("ef", "cd"), "ab"),
        ("abcdef", ("abcde", "bc"), "a"),  # complete first, though begun later
        ("abcdef", ("bc", "abc"), ""),  # complete together
    ],
)
def test_stop(script: str, stop: tuple[str, ...], expected: str) -> None:
    assert "".join(spell(script, SamplingConfig(temperature=0, stop=stop))) == expected


def until(script: str, stops: tuple[str, ...]) -> str:
    """What stands before the first stop text, a character at a time."""
    for end in range(len(script) + 1):
        found = [stop for stop in stops if script[:end].endswith(stop)]
        if found:
            return script[: end - max(map(len, found))]
    return script


stops = st.lists(st.text(alphabet="abé", min_size=1, max_size=4), max_size=3).map(tuple)


@given(st.text(alphabet="abé", max_size=20), stops, st.sampled_from(["char", "bpe"]))
def test_stop_is_cut_exactly_however_the_text_is_cut_into_tokens(
    script: str, stop: tuple[str, ...], scheme: Scheme
) -> None:
    # The one spells é in two half bytes, the other has tokens of several characters.
    own = Tokenizer.learn(scheme, ["ab" * 9 + " aab" * 9 + " abba" * 9], size=None)
    config = SamplingConfig(temperature=0, stop=stop)
    pieces = list(continuation(Scripted(own, script), own, "", config, seed=0, number=0))
    assert "".join(pieces) == until(script, stop)


def test_what_can_no_longer_begin_a_stop_text_is_let_through_at_once() -> None:
    pieces = spell("aabac", SamplingConfig(temperature=0, stop=("aac", "b!")))
    # "b!" is still open after the b, as is "aac" after each a.
    assert pieces == ["aa", "b", "ac"]


def counts(samples: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in samples:
        found[sample] = found.get(sample, 0) + 1
    return found


class Uniform(Scripted):
    """Every token is as likely as its weight says, always."""

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__(tokenizer, "")
        self.logits = np.full((1, self.size), -np.inf, np.float32)
        for character, weight in weights.items():
            self.logits[0, tokenizer.encode(character)[0]] = np.log(weight)

    def step(self, ids: IntArray, state: int) -> tuple[FloatArray, int]:
        return self.logits, state


def test_draws_follow_the_distribution_and_the_seed() -> None:
    decoder = Uniform({"a": 0.5, "b": 0.3, "c": 0.2})
    config = SamplingConfig(max_tokens=1)

    def draw(seed: int, number: int) -> str:
        return "".join(continuation(decoder, tokenizer, "", config, seed=seed, number=number))

    drawn = counts(draw(1, number) for number in range(4000))
    # Five standard deviations of a binomial count.
    for character, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        spread = 5 * (4000 * share * (1 - share)) ** 0.5
        assert abs(drawn[character] - 4000 * share) < spread
    assert set(drawn) == {"a", "b", "c"}
    assert [draw(7, n) for n in range(50)] == [draw(7, n) for n in range(50)]
    assert [draw(7, n) for n in range(50)] != [draw(8, n) for n in range(50)]
