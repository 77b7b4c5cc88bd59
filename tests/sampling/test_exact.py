"""What is read again in float64 is as little as the network's sight asks for, and is enough."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import Architecture, ModelConfig, SamplingConfig
from seqgen.models import decoders
from seqgen.sampling import borders, sampler
from seqgen.sampling.chance import Chance
from seqgen.sampling.document import Document, Mark, Opening
from seqgen.sampling.exact import STRIDE, Exact
from seqgen.sampling.penalties import Penalties
from seqgen.sampling.sampler import Sampler
from seqgen.tokenization import Tokenizer
from tests.support import ARCHITECTURES, make_weights

TOKENIZER = Tokenizer("char", "abcdefgh")
RECURRENT: tuple[Architecture, ...] = ("rnn", "gru", "lstm")
LENGTH = 1000


def make_network(arch: Architecture, seed: int = 0) -> tuple[ModelConfig, Any]:
    heads = 2 if arch == "transformer" else 0
    config = ModelConfig(arch, TOKENIZER.size, 2, 16, 16, heads, 12, convolution=3 if heads else 0)
    return config, make_weights(config, seed, spread=0.1)


def opened(ids: np.ndarray, drawn: int, marks: list[Mark]) -> Document:
    """A document that has been drawn so far, after a prompt of four tokens and their boundary."""
    config, own = SamplingConfig(), ids[:5]
    penalties = Penalties(config, TOKENIZER, own[None, 1:])
    opening = Opening(own, np.zeros((1, TOKENIZER.size), np.float32), None, penalties)
    document = Document(0, partial(Chance, 0, 0, 0), lambda: None, opening, TOKENIZER, config)
    document.ids = ids[5 : 5 + drawn].tolist()
    document.marks.extend(mark for mark in marks if mark.drawn <= drawn)
    return document


def make_ids() -> np.ndarray:
    ids = np.random.default_rng(2).integers(1, TOKENIZER.size, 5 + LENGTH).astype(np.int32)
    ids[0] = 0
    return ids


def half_range(apart: np.ndarray) -> float:
    return float(np.ptp(apart)) / 2.0


@pytest.mark.parametrize("arch", RECURRENT)
@pytest.mark.parametrize("seed", range(3))
def test_what_fades_is_read_again_from_a_state_on_the_way(arch: Architecture, seed: int) -> None:
    config, weights = make_network(arch, seed)
    ids = make_ids()
    decoder, wide = decoders.build(config, weights), decoders.build_exact(config, weights)
    state, marks = decoder.start(3), []
    _, state = decoder.prefill(np.repeat(ids[None, :5], 3, 0), state)
    for drawn, token in enumerate(ids[5:], 1):
        # The other rows are other documents.
        _, state = decoder.step(np.array([3, token, 4], np.int32), state)
        if drawn % STRIDE == 0:
            marks.append(Mark(drawn, decoder.keep(state, np.arange(3, dtype=np.int32)), 1))
    everything, _ = wide.read(ids[None], wide.start(1))
    found, nearest = [], []
    for drawn in range(150, LENGTH + 1, 50):
        document = opened(ids, drawn, marks)
        answers = list(Exact(lambda: wide).answers(document))
        truth = everything[:, 4 + drawn]
        assert answers[-1][1] is None
        assert np.abs(answers[-1][0] - truth).max() < 1e-12
        for logits, error in answers[:-1]:
            assert error is not None
            assert half_range(logits - truth) <= error[0] + 1e-14
            found.append(error[0])
        nearest += found[-1:] if len(answers) > 1 else []
    assert len(found) > 20
    assert np.median(nearest) < 1e-7  # far below float32's own


@pytest.mark.parametrize("arch", RECURRENT)
def test_states_that_are_off_are_not_believed(arch: Architecture) -> None:
    """An error in what was remembered shows in how far the answers are apart."""
    config, weights = make_network(arch)
    ids = make_ids()
    decoder, wide = decoders.build(config, weights), decoders.build_exact(config, weights)
    noise, state, marks = np.random.default_rng(0), decoder.start(1), []
    _, state = decoder.prefill(ids[None, :5], state)
    for drawn, token in enumerate(ids[5:], 1):
        _, state = decoder.step(np.array([token], np.int32), state)
        state.vectors += noise.normal(0.0, 1e-3, state.vectors.shape).astype(np.float32)
        state.layers = None  # and so in what follows from it
        if drawn % STRIDE == 0:
            marks.append(Mark(drawn, decoder.keep(state, np.zeros(1, np.int32)), 0))
    everything, _ = wide.read(ids[None], wide.start(1))
    errors = []
    for drawn in range(250, LENGTH + 1, 50):
        for logits, error in list(Exact(lambda: wide).answers(opened(ids, drawn, marks)))[:-1]:
            assert error is not None
            assert half_range(logits - everything[:, 4 + drawn]) <= error[0]
            errors.append(error[0])
    assert max(errors) > 1e-6


def test_a_transformer_reads_again_what_it_sees() -> None:
    ids, wide = make_ids(), decoders.build_exact(*make_network("transformer"))
    reach = wide.reach()
    assert reach is not None
    assert reach < LENGTH / 4
    everything, _ = wide.read(ids[None], wide.start(1))
    lengths: list[int] = []
    prefill, last = wide.prefill, wide.last

    def prefilled(stretch: Any, state: Any) -> Any:
        lengths.append(stretch.shape[1])
        return prefill(stretch, state)

    def looked_at(stretch: Any) -> Any:
        lengths.append(stretch.shape[1])
        return last(stretch)

    wide.prefill, wide.last = prefilled, looked_at  # type: ignore[method-assign]
    exact = Exact(lambda: wide)
    for drawn in (0, 3, reach - 2, reach + 2, LENGTH):
        ((logits, error),) = exact.answers(opened(ids, drawn, []))
        assert error is None
        assert np.abs(logits - everything[:, 4 + drawn]).max() < 1e-12
    assert max(lengths) == reach
    # And from where it stands, if that is nearer.
    document = opened(ids, 5, [])
    list(exact.answers(document))
    document.ids = ids[5:16].tolist()
    lengths.clear()
    ((logits, _),) = exact.answers(document)
    assert np.abs(logits - everything[:, 15]).max() < 1e-12
    assert lengths == [6]


def test_the_reach_of_a_transformer_is_the_least() -> None:
    config, weights = make_network("transformer")
    wide = decoders.build_exact(config, weights)
    reach, ids = wide.reach(), make_ids()[None, 1:]
    assert reach is not None

    def after(ids: np.ndarray) -> np.ndarray:
        return wide.prefill(ids, wide.start(1))[0]

    for back, changes in ((reach, True), (reach + 1, False)):
        other = ids.copy()
        other[0, -back] = other[0, -back] % (TOKENIZER.size - 1) + 1
        assert (np.abs(after(other) - after(ids)).max() > 0.0) == changes


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", [0, 3])  # the random weights of others may be chaotic
def test_long_texts_are_the_same_in_every_batch(
    arch: Architecture,
    seed: int,
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = checkpoint.load(make_model(arch, kind="text", seed=seed))
    config = SamplingConfig(max_tokens=300, logit_bias=(("<end>", -np.inf),), top_p=0.95)
    near: list[bool] = []
    answers = Exact.answers

    def listen(self: Any, document: Any) -> Any:
        for answer in answers(self, document):
            near.append(answer[1] is not None)
            yield answer

    monkeypatch.setattr(Exact, "answers", listen)

    def texts(rows: int, rounding: float) -> list[str]:
        monkeypatch.setattr(sampler, "_ROWS", rows)
        monkeypatch.setattr(borders, "_ROUNDING", rounding)
        return list(Sampler(saved, config, prompt="T:", seed=seed).texts(range(6)))

    usual = texts(1, borders._ROUNDING)
    often = 2.0**-14  # so that many tokens lie on a border
    near.clear()
    assert [texts(rows, often) for rows in (1, 5, 64)] == [usual] * 3
    assert len(near) > 10
    if arch in ("rnn", "lstm"):  # with the others, what is known in float64 is never far away
        assert any(near)
