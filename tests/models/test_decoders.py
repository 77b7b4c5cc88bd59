"""A stretch of text read at once is the same as step by step."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.config import Architecture, ModelConfig
from seqgen.models import decoders
from tests.support import ARCHITECTURES, make_weights


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(12))
def test_reading_is_stepping(arch: Architecture, seed: int) -> None:
    """In stretches of any length, mixed with steps, over boundaries and past the window."""
    rng = np.random.default_rng(seed)
    vocabulary, layers = int(rng.integers(2, 30)), int(rng.integers(1, 4))
    if arch == "transformer":
        taps = int(rng.choice([0, 2, 5]))
        context = int(rng.integers(2, 14))
        config = ModelConfig(arch, vocabulary, layers, 16, 16, 2, context, convolution=taps)
    else:
        config = ModelConfig(arch, vocabulary, layers, 12, 8, 0, 8)
    decoder = decoders.build(config, make_weights(config, seed, spread=0.2))
    # Many boundaries where the vocabulary is small, few where it is large.
    ids = rng.integers(0, vocabulary, (3, 40)).astype(np.int32)

    slow = []
    state = decoder.start(3)
    for column in ids.T:
        logits, state = decoder.step(column, state)
        slow.append(logits)

    fast = []
    state = decoder.start(3)
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
