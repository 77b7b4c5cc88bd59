"""Steps by compiled code are those that NumPy takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.checkpoint import Checkpoint
from seqgen.config import Architecture, ModelConfig, SamplingConfig
from seqgen.models import decoders
from seqgen.models.decoders import Decoder, cache, compiled
from seqgen.sampling.sampler import Sampler
from tests.support import ARCHITECTURES, make_weights


def require(config: ModelConfig) -> None:
    from seqgen.models.networks.native import can_draw

    if not can_draw(config):
        pytest.skip("this processor lacks the instructions")


def network(arch: Architecture, rng: np.random.Generator) -> ModelConfig:
    """A small one, of any kind."""
    vocabulary, layers = int(rng.integers(2, 70)), int(rng.integers(1, 6))
    if arch != "transformer":
        return ModelConfig(arch, vocabulary, layers, int(rng.integers(1, 50)), 8, 0, 8)
    width, heads = int(rng.choice([16, 32])), 2
    return ModelConfig(
        arch, vocabulary, layers, heads * width, heads * width, heads, int(rng.integers(2, 40)),
        tie_embeddings=bool(rng.integers(2)), logit_softcap=float(rng.choice([3.0, 30.0])),
        convolution=int(rng.choice([0, 2, 5])),
    )  # fmt: skip


def hastened(config: ModelConfig, weights: decoders.decoder.Weights) -> Decoder:
    decoder = decoders.build(config, weights)  # type: ignore[arg-type]
    decoder.hasten(sys.maxsize)
    assert decoder._compiled is not None  # type: ignore[attr-defined]
    return decoder


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(6))
def test_compiled_steps_are_numpys(
    arch: Architecture, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over boundaries, past the window, in blocks of any size, of sequences of different ages that
    are read, noted, taken back, put in and left out."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(cache, "BLOCK", 1 + 3 * seed)
    config = network(arch, rng)
    require(config)
    weights = make_weights(config, seed, spread=0.2)
    plain, quick = decoders.build(config, weights), hastened(config, weights)
    rows = int(rng.integers(2, 20))
    both = [decoder.start(rows) for decoder in (plain, quick)]
    noted = None
    for at in range(90):
        ids = rng.integers(0, config.vocabulary, rows).astype(np.int32)
        ids[rng.random(rows) < 0.9] |= 1  # seldom the boundary
        ids = np.minimum(ids, config.vocabulary - 1)
        pairs = [
            decoder.step(ids, state) for decoder, state in zip((plain, quick), both, strict=True)
        ]
        slow, fast = (logits for logits, _ in pairs)
        assert fast.shape == slow.shape
        assert np.abs(fast - slow).max() < 1e-4 * max(1.0, np.abs(slow).max())
        both = [state for _, state in pairs]
        if at == 30:
            noted = [d.note(s, 1) for d, s in zip((plain, quick), both, strict=True)]
        if at == 33 and noted is not None:
            back = [d.back(s, 1, n) for d, s, n in zip((plain, quick), both, noted, strict=True)]
            assert back[0] == back[1]
        if at == 50:
            kept = np.arange(rows)[:: -1 if rows < 4 else -2]
            both = [d.keep(s, kept) for d, s in zip((plain, quick), both, strict=True)]
            rows = len(kept)
        if at == 60:
            prompt = rng.integers(0, config.vocabulary, (1, 7)).astype(np.int32)
            for decoder, state in zip((plain, quick), both, strict=True):
                decoder.put(state, 0, decoder.prefill(prompt, decoder.start(1))[1])


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_rounding_is_no_more_than_is_reckoned_with(arch: Architecture) -> None:
    """See borders: of a network as wide as those that are drawn from, against float64."""
    from seqgen.sampling.borders import rounding

    if arch == "transformer":
        config = ModelConfig(arch, 83, 4, 128, 128, 4, 64, convolution=2)
    else:
        config = ModelConfig(arch, 83, 2, 256, 256, 0, 64)
    require(config)
    weights = make_weights(config, 1, spread=0.05)
    quick, exact = hastened(config, weights), decoders.build_exact(config, weights)
    rng, rows = np.random.default_rng(0), 6
    states = quick.start(rows), exact.start(rows)
    for _ in range(150):
        ids = rng.integers(1, 83, rows).astype(np.int32)
        (fast, _), (right, _) = quick.step(ids, states[0]), exact.step(ids, states[1])
        apart = fast - right
        apart = (apart.max(-1) - apart.min(-1)) / 2.0  # up to a shift of all
        assert (apart <= rounding(np.asarray(fast))).all()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for compiled code that is empty."""
    from seqgen.models.networks.native import drawing

    drawing.make_multiply.cache_clear()  # what this process has is not looked for
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_it_is_worth_it_when_much_has_been_drawn(kept: Path) -> None:
    config = ModelConfig("lstm", 20, 1, 32, 8, 0, 32)
    require(config)
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    assert not compiled.is_worth(config, single, compiled._LOADED)
    assert compiled.is_worth(config, single, compiled._COMPILED["product"])
    decoder = hastened(config, make_weights(config))
    decoder.step(np.ones(3, np.int32), decoder.start(3))  # which compiles, and keeps it
    assert any(kept.rglob("*.bin"))
    assert compiled.is_worth(config, single, compiled._LOADED)
    assert not compiled.is_worth(config, single, compiled._LOADED - 1)
    # Not in float64, nor where a second copy of the matrices is too large.
    assert not compiled.is_worth(config, double, sys.maxsize)
    assert not compiled.is_worth(replace(config, hidden=8192), single, sys.maxsize)


def test_heads_that_no_vector_fits_are_left_to_numpy() -> None:
    config = ModelConfig("transformer", 20, 1, 24, 24, 2, 16)
    decoder = decoders.build(config, make_weights(config))
    decoder.hasten(sys.maxsize)
    assert decoder.rows(64) == 64
    logits, _ = decoder.step(np.ones(3, np.int32), decoder.start(3))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
@pytest.mark.parametrize("kind", ["abc", "text"])
def test_samples_are_the_same(
    arch: Architecture, kind: str, make_model: Callable[..., Path]
) -> None:
    saved: Checkpoint = checkpoint.load(make_model(arch, kind=kind))
    if arch == "transformer":
        model = ModelConfig(arch, saved.card.model.vocabulary, 2, 32, 32, 2, 24, convolution=2)
        card, weights = replace(saved.card, model=model), make_weights(model, 3, spread=0.2)
        saved = replace(saved, card=card, weights=weights)
    require(saved.card.model)
    config = SamplingConfig(max_tokens=60)

    def sampler() -> Sampler:
        return Sampler(saved, config, prompt="", seed=3)

    slow, quick = sampler(), sampler()
    quick.hasten(sys.maxsize)
    assert quick._decoder._compiled is not None  # type: ignore[attr-defined]
    assert list(quick.texts(range(20))) == list(slow.texts(range(20)))
