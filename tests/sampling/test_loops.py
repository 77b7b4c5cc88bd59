"""The penalty on going round in circles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqgen.config import SamplingConfig
from seqgen.models.decoders import Decoder
from seqgen.sampling.generate import continuation
from seqgen.sampling.loops import LONGEST, Loops
from seqgen.tokenization import Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE
from tests.sampling.test_constraint import Noise

SIZE = 4


def slow(ids: list[int], penalty: float) -> list[float]:
    """What the definition says, a stretch at a time."""
    logits = [0.0] * SIZE
    for period in range(1, LONGEST + 1):
        run = 0
        while len(ids) - run > period and ids[-1 - run] == ids[-1 - run - period]:
            run += 1
        if run >= max(2 * period, 12):
            token = ids[-period]
            logits[token] = min(logits[token], -penalty * (run / period - 1))
    return logits


@given(
    st.lists(st.integers(0, SIZE - 1), max_size=30),
    st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=6),
    st.integers(0, 30),
    st.floats(0.1, 10),
)
def test_it_is_what_the_definition_says(
    before: list[int], stretch: list[int], times: int, penalty: float
) -> None:
    ids = before + stretch * times
    held = np.zeros(SIZE)
    Loops(penalty, np.array([ids])).hold(held[None], slice(None))
    assert np.allclose(held, slow(ids, penalty))


def test_three_times_are_free_and_a_fourth_is_not() -> None:
    bar = [0, 1, 2, 3, 1, 0]
    held = np.zeros(SIZE)
    Loops(4.0, np.array([(bar * 3)[:-1]])).hold(held[None], slice(None))
    assert (held == 0.0).all()
    Loops(4.0, np.array([bar * 3])).hold(held[None], slice(None))
    assert held.tolist() == [-4.0, 0.0, 0.0, 0.0]


class Stuck(Noise):
    """A decoder that goes on with what it has begun."""

    def step(self, ids: np.ndarray, state: int) -> tuple[np.ndarray, int]:
        logits, after = super().step(ids, state)
        last = int(ids.ravel()[-1])
        logits[0, :FIRST_PIECE] = -30.0
        logits[0, FIRST_PIECE if last != FIRST_PIECE else FIRST_PIECE + 1] += 9.0
        return logits, after


def test_a_model_that_is_stuck_moves_on() -> None:
    tokenizer = Tokenizer.learn("char", ["abcdef"])
    decoder: Decoder = Stuck(tokenizer.size)  # type: ignore[assignment]

    def drawn(penalty: float) -> str:
        config = SamplingConfig(loop_penalty=penalty, temperature=0.5, max_tokens=200)
        return "".join(continuation(decoder, tokenizer, "", config, seed=1, number=0))

    assert "ab" * 40 in drawn(0.0)
    assert "ab" * 10 not in drawn(4.0)
