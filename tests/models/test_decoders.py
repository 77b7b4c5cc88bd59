"""A stretch of text read at once is the same as step by step."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.config import Architecture, ModelConfig
from seqgen.models import decoders
from seqgen.models.decoders import blocks, cache, operations, transformer
from seqgen.models.parameters import Weights
from tests.support import ARCHITECTURES, make_weights


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("seed", range(12))
def test_reading_is_stepping(
    arch: Architecture, seed: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In stretches of any length, mixed with steps, over boundaries and past the window."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(cache, "BLOCK", 1 + seed % 5)
    vocabulary, layers = int(rng.integers(2, 30)), int(rng.integers(1, 4))
    if arch == "transformer":
        taps = int(rng.choice([0, 2, 5]))
        context = int(rng.integers(2, 14))
        config = ModelConfig(arch, vocabulary, layers, 16, 16, 2, context, convolution=taps)
    else:
        config = ModelConfig(arch, vocabulary, layers, 12, 8, 0, 8)
    decoder = decoders.build(config, make_weights(config, seed, spread=0.2))
    # Many boundaries where the vocabulary is small, few where it is large.
    ids = rng.integers(0, vocabulary, (rows, 40)).astype(np.int32)

    slow = []
    state = decoder.start(rows)
    for column in ids.T:
        logits, state = decoder.step(column, state)
        slow.append(logits)

    fast = []
    state = decoder.start(rows)
    at = 0
    while at < 40:
        if rng.random() < 0.3:
            logits, state = decoder.step(ids[:, at], state)
            fast.append(logits[:, None])
        else:
            logits, state = decoder.read(ids[:, at : at + int(rng.integers(1, 20))], state)
            fast.append(logits)
        at += fast[-1].shape[1]
    assert np.abs(np.concatenate(fast, axis=1) - np.stack(slow, axis=1)).max() < 1e-4


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_long_prompt_is_read_in_windows(arch: Architecture) -> None:
    tied = {"heads": 2} if arch == "transformer" else {"heads": 0}
    config = ModelConfig(arch, 20, 2, 16, 16, context=24, **tied)
    decoder = decoders.build(config, make_weights(config, spread=0.2))
    ids = np.random.default_rng(1).integers(0, 20, (2, 600)).astype(np.int32)
    whole, state = decoder.prefill(ids, decoder.start(2))
    stepped = decoder.start(2)
    for column in ids.T:
        logits, stepped = decoder.step(column, stepped)
    assert np.abs(whole - logits).max() < 1e-4
    # And both go on alike.
    last = np.array([3, 4], np.int32)
    assert np.abs(decoder.step(last, state)[0] - decoder.step(last, stepped)[0]).max() < 1e-4


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(6))
def test_what_nothing_goes_on_from_is_the_same(arch: Architecture, seed: int) -> None:
    """Shorter and longer than a Transformer sees, and in blocks that its windows do not fit."""
    rng = np.random.default_rng(seed)
    layers = int(rng.integers(1, 5))
    if arch == "transformer":
        context, taps = int(rng.integers(2, 14)), int(rng.choice([0, 2, 5]))
        config = ModelConfig(arch, 20, layers, 16, 16, 2, context, convolution=taps)
    else:
        config = ModelConfig(arch, 20, layers, 12, 8, 0, 8)
    decoder = decoders.build(config, make_weights(config, seed, spread=0.2))
    for time in (1, 7, 40, decoder.reach() or 60):
        ids = rng.integers(0, 20, (2, time)).astype(np.int32)
        whole, _ = decoder.prefill(ids, decoder.start(2))
        assert np.abs(decoder.last(ids) - whole).max() < 1e-5


def banded_transformer(config: ModelConfig, weights: Weights, ids: list[int]) -> np.ndarray:
    """Logits after every token of one text, (time, vocabulary): all at once, in float64.

    Each position sees itself and the ``context - 1`` before it, at their true positions, but
    nothing before the last boundary.
    """
    w = {name: weight.astype(np.float64) for name, weight in weights.items()}
    time, width = len(ids), config.hidden // config.heads
    now = np.arange(time)
    first = np.maximum.accumulate(np.where(np.array(ids) == 0, now, 0))
    apart = now[:, None] - now
    sees = (apart >= 0) & (apart < config.context) & (now >= first[:, None])

    def normed(x: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)

    half = np.arange(width // 2)
    turn = np.exp(1j * np.outer(now, 10_000.0 ** -(half / len(half))))  # pairs as complex numbers
    x = normed(w["embedding"])[ids]
    for layer in range(config.layers):
        block = f"block.{layer}"
        y = normed(x)
        if config.convolution:
            kernel = w[f"{block}.attention.convolution"]
            earlier = [
                np.where((now - tap >= first)[:, None], y[np.maximum(0, now - tap)], 0.0)
                for tap in range(len(kernel))
            ]
            y = sum(each * row for each, row in zip(earlier, kernel, strict=True))
        qkv = (y @ w[f"{block}.attention.query_key_value"]).reshape(time, 3, config.heads, width)
        found = np.empty((time, config.heads, width))
        for head in range(config.heads):
            query, key = (normed(qkv[:, i, head]) for i in range(2))
            query, key = (
                (a[:, : width // 2] + 1j * a[:, width // 2 :]) * turn for a in (query, key)
            )
            scores = (query @ key.conj().T).real / np.sqrt(width)
            shares = np.where(sees, np.exp(scores), 0.0)
            found[:, head] = shares @ qkv[:, 2, head] / shares.sum(-1, keepdims=True)
        x = x + found.reshape(time, -1) @ w[f"{block}.attention.output"]
        x = x + np.maximum(normed(x) @ w[f"{block}.mlp.up"], 0) ** 2 @ w[f"{block}.mlp.down"]
    return normed(x) @ w["output.kernel"]


@pytest.mark.parametrize("convolution", [0, 3])
def test_a_transformer_goes_on_past_its_window(convolution: int) -> None:
    config = ModelConfig("transformer", 20, 3, 16, 16, 2, 8, convolution=convolution)
    weights = make_weights(config, 5, spread=0.3)
    ids = np.random.default_rng(2).integers(1, 20, 100)
    ids[[0, 61]] = 0  # the second document begins in the middle of a window
    expected = banded_transformer(config, weights, ids.tolist())
    for build, most in ((decoders.build, 1e-4), (decoders.build_exact, 1e-6)):
        decoder = build(config, weights)
        state = decoder.start(1)
        for time, token in enumerate(ids):
            logits, state = decoder.step(np.array([token], np.int32), state)
            assert np.abs(logits[0] - expected[time]).max() < most


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("length", [3, 30])
@pytest.mark.parametrize("block", [1, 5, 64])
def test_a_sequence_takes_anothers_place(
    arch: Architecture, length: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its prompt is shorter or longer than a window."""
    monkeypatch.setattr(cache, "BLOCK", block)
    heads = 2 if arch == "transformer" else 0
    config = ModelConfig(arch, 20, 2, 16, 16, heads, 12, convolution=3 if heads else 0)
    decoder = decoders.build(config, make_weights(config, 3, spread=0.2))
    rng = np.random.default_rng(4)
    before, after = rng.integers(1, 20, (2, 3, 40)).astype(np.int32)
    prompt = rng.integers(1, 20, (1, length)).astype(np.int32)
    prompt[0, 0] = 0

    def alone(ids: np.ndarray) -> np.ndarray:
        return decoder.read(ids[None], decoder.start(1))[0][0, -1]

    _, primed = decoder.prefill(prompt, decoder.start(1))
    state = decoder.start(3)
    for column in before.T:
        _, state = decoder.step(column, state)
    decoder.put(state, 1, primed)
    texts = [before[0], prompt[0], before[2]]
    for column in after[:, :20].T:
        logits, state = decoder.step(column, state)
    texts = [np.concatenate([text, row[:20]]) for text, row in zip(texts, after, strict=True)]
    for row in range(3):
        assert np.abs(logits[row] - alone(texts[row])).max() < 1e-4
    # Two are kept, the other way round, and one of them twice.
    state = decoder.keep(state, np.array([1, 0, 1]))
    logits, state = decoder.step(np.array([5, 6, 7], np.int32), state)
    for row, (text, token) in enumerate(((1, 5), (0, 6), (1, 7))):
        assert np.abs(logits[row] - alone(np.append(texts[text], np.int32(token)))).max() < 1e-4
    # What it began from is as it was.
    again = decoder.step(after[1, :1], primed)[0][0]
    assert np.abs(again - alone(np.append(prompt[0], after[1, 0]))).max() < 1e-4


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_a_sequence_goes_back(
    arch: Architecture, rows: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if what came since had not; or it says that it can't, and is left as it is."""
    monkeypatch.setattr(cache, "BLOCK", 1 + seed % 5)
    monkeypatch.setattr(cache, "NOTED", 3)
    heads = 2 if arch == "transformer" else 0
    config = ModelConfig(arch, 20, 2, 16, 16, heads, 12, convolution=3 if heads else 0)
    decoder = decoders.build(config, make_weights(config, 3, spread=0.2))
    rng = np.random.default_rng(seed)
    texts: list[list[int]] = [[0] for _ in range(rows)]
    state = decoder.start(rows)
    _, state = decoder.step(np.zeros(rows, np.int32), state)
    went = 0
    for _ in range(12):
        row, length = int(rng.integers(rows)), len(texts[0])
        noted, before = decoder.note(state, row), [*texts[row]]
        for _ in range(int(rng.integers(1, 5))):
            ids = rng.integers(1, 20, rows).astype(np.int32)
            for text, token in zip(texts, ids.tolist(), strict=True):
                text.append(token)
            _, state = decoder.step(ids, state)
        if decoder.back(state, row, noted):
            texts[row] = before
            went += 1
        else:
            assert arch == "transformer"
            assert len(texts[row]) > config.context
            assert len(texts[row]) - len(before) > 3
        ids = rng.integers(1, 20, rows).astype(np.int32)
        for text, token in zip(texts, ids.tolist(), strict=True):
            text.append(token)
        logits, state = decoder.step(ids, state)
        for own, text in zip(logits, texts, strict=True):
            alone = decoder.read(np.array([text], np.int32), decoder.start(1))[0][0, -1]
            assert np.abs(own - alone).max() < 1e-4
        assert max(map(len, texts)) > length
    assert went > 5


@pytest.mark.parametrize(("heads", "taps"), [(1, 0), (1, 2), (2, 4), (8, 3)])
@pytest.mark.parametrize("context", [2, 7, 64])
@pytest.mark.parametrize("tied", [False, True])
def test_a_sequence_alone_is_as_in_a_batch(
    heads: int, taps: int, context: int, tied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past its window, over boundaries, and past the turns that are made at once."""
    monkeypatch.setattr(blocks, "STRETCH", 8)
    cap = 5.0 if tied else None
    config = ModelConfig("transformer", 20, 2, 16, 16, heads, context, tied, cap, taps)
    weights = make_weights(config, 1, spread=0.2)
    ids = np.random.default_rng(2).integers(1, 20, (2, 60)).astype(np.int32)
    ids[0, [0, 5, 6, 40]] = 0
    for build, dtype, most in (
        (decoders.build, np.float32, 1e-4),
        (decoders.build_exact, np.float64, 1e-10),
    ):
        decoder = build(config, weights)
        alone, both, found, expected = decoder.start(1), decoder.start(2), [], []
        for column in ids.T:
            logits, alone = decoder.step(column[:1], alone)
            found.append(logits)  # not copied: a later step must leave it as it is
            logits, both = decoder.step(column, both)
            expected.append(logits[:1].copy())
        assert alone.alone is not None
        assert both.alone is None
        assert all(logits.dtype == dtype for logits in found)
        stepped = np.concatenate(found)
        assert np.abs(stepped - np.concatenate(expected)).max() < most
        read, _ = decoder.read(ids[:1], decoder.start(1))
        assert np.abs(stepped - read[0]).max() < most


@pytest.mark.parametrize("taps", [0, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_becomes_of_a_sequence_alone(
    taps: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stepped, read, kept, put to and taken back, beside another of the same decoder."""
    monkeypatch.setattr(blocks, "STRETCH", 8)
    rng = np.random.default_rng(seed)
    config = ModelConfig("transformer", 20, 2, 16, 16, 2, 9, convolution=taps)
    decoder = decoders.build_exact(config, make_weights(config, 3, spread=0.2))
    texts: list[list[int]] = [[], []]
    states = [decoder.start(1), decoder.start(1)]
    for _ in range(30):
        own = int(rng.integers(2))
        ids = rng.integers(0, 20, int(rng.integers(1, 12))).astype(np.int32)
        what = rng.choice(["step", "read", "keep", "put", "back"])
        if what == "read":
            _, states[own] = decoder.read(ids[None], states[own])
            texts[own] += ids.tolist()
        elif what == "keep":
            states[own] = decoder.keep(states[own], np.array([0]))
        elif what == "put":
            decoder.put(states[own], 0, states[1 - own])
            texts[own] = [*texts[1 - own]]
        elif what == "back":
            noted = decoder.note(states[own], 0)
            for token in ids:
                after = np.array([1 + token % 19], np.int32)  # no other document
                _, states[own] = decoder.step(after, states[own])
            assert decoder.back(states[own], 0, noted)
        for at in (own, 1 - own):  # what became of one is nothing to the other
            token = rng.integers(0 if rng.random() < 0.1 else 1, 20, 1).astype(np.int32)
            texts[at] += token.tolist()
            logits, states[at] = decoder.step(token, states[at])
            whole = decoder.read(np.array([texts[at]], np.int32), decoder.start(1))[0]
            assert np.abs(logits[0] - whole[0, -1]).max() < 1e-10


@pytest.mark.parametrize("rows", [1, 3])
def test_scores_of_wide_heads_are_brought_down(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig("transformer", 20, 2, 16, 16, 2, 6, convolution=3)
    weights = make_weights(config, 1, spread=0.2)
    ids = np.random.default_rng(3).integers(0, 20, (rows, 30)).astype(np.int32)
    usual = decoders.build_exact(config, weights)
    expected, _ = usual.read(ids, usual.start(rows))
    for module in (cache, operations, transformer):
        monkeypatch.setattr(module, "SAFE_WIDTH", 4)  # of heads of 8
    decoder = decoders.build_exact(config, weights)
    state = decoder.start(rows)
    for time, column in enumerate(ids.T):
        logits, state = decoder.step(column, state)
        assert np.abs(logits - expected[:, time]).max() < 1e-10
    assert state.alone is None
    read, _ = decoder.read(ids, decoder.start(rows))
    assert np.abs(read - expected).max() < 1e-10


@pytest.mark.parametrize("width", [2, 6])
def test_turns_that_are_remembered_are_those_of_their_positions(width: int) -> None:
    turns = blocks.Turns(width, np.float64)
    for position in (0, 255, 256, 3, 1_000_003, 0):
        assert np.abs(turns.at(position) - turns.of(np.array(position))).max() < 1e-12
