"""Steps by compiled code are those that NumPy takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

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
        # Of some a sum has more terms than are added up at once.
        return ModelConfig(arch, vocabulary, layers, int(rng.choice([1, 37, 300])), 8, 0, 8)
    width, heads = int(rng.choice([16, 32])), int(rng.choice([2, 6]))
    return ModelConfig(
        arch, vocabulary, layers, heads * width, heads * width, heads, int(rng.integers(2, 40)),
        tie_embeddings=bool(rng.integers(2)), logit_softcap=float(rng.choice([3.0, 30.0])),
        convolution=int(rng.choice([0, 2, 5])),
    )  # fmt: skip


def hastened(config: ModelConfig, weights: decoders.decoder.Weights) -> Decoder:
    decoder = decoders.build(config, weights)  # type: ignore[arg-type]
    decoder.hasten(sys.maxsize, sys.maxsize)
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
    # Recurrent networks of larger weights are chaotic: the least difference grows.
    spread = min(0.2, 0.9 * config.hidden**-0.5) if config.recurrent else 0.2
    weights = make_weights(config, seed, spread=spread)
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

    # What this process has is not looked for.
    drawing.make_multiply.cache_clear()
    drawing.make_step.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_it_is_worth_it_when_much_has_been_drawn(kept: Path) -> None:
    single, double = np.dtype(np.float32), np.dtype(np.float64)

    def worth(config: ModelConfig, drawn: int, ahead: int, dtype: Any = single) -> bool:
        return compiled.is_worth(config, dtype, drawn, ahead)

    config = ModelConfig("lstm", 20, 1, 32, 8, 0, 32)
    require(config)
    loaded, compiling, most = compiled._LOADED, compiled._COMPILED["product"], sys.maxsize
    assert not worth(config, loaded, most)
    assert worth(config, compiling, compiling)
    assert not worth(config, compiling - 1, most)
    assert not worth(config, most, loaded // 9)
    decoder = hastened(config, make_weights(config))
    decoder.step(np.ones(3, np.int32), decoder.start(3))  # which compiles, and keeps it
    assert any(kept.rglob("*.bin"))
    assert worth(config, loaded, loaded)
    assert not worth(config, loaded - 1, most)
    # Not in float64, nor where another copy of the matrices is too large.
    assert not worth(config, most, most, double)
    assert not worth(replace(config, hidden=8192), most, most)
    # What is kept of it is for networks of some depths and head widths.
    config = ModelConfig("transformer", 20, 1, 32, 32, 2, 8)
    assert not worth(config, loaded, most)
    decoder = hastened(config, make_weights(config))
    decoder.step(np.ones(3, np.int32), decoder.start(3))
    assert worth(config, loaded, most)
    assert worth(replace(config, layers=4), loaded, most)
    assert not worth(replace(config, layers=5), loaded, most)
    assert not worth(replace(config, heads=1), loaded, most)


def test_without_numba_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it refuses a NumPy that is newer than it."""
    from seqgen.models.networks import native

    config = ModelConfig("lstm", 20, 1, 32, 8, 0, 32)
    native._has_instructions.cache_clear()
    monkeypatch.setitem(sys.modules, "seqgen.models.networks.native.products", None)
    assert not compiled.is_worth(config, np.dtype(np.float32), sys.maxsize, sys.maxsize)


def test_few_are_drawn_at_once_where_the_cache_holds_the_weights() -> None:
    small = ModelConfig("transformer", 90, 4, 192, 192, 6, 256)
    assert compiled.best_rows(small, 64) == 8
    assert compiled.best_rows(small, 3) == 3
    assert compiled.best_rows(replace(small, hidden=768, embedding=768), 64) == 64


def test_what_has_been_drawn_is_counted(make_model: Callable[..., Path]) -> None:
    """Of every candidate; what is ahead is as long."""
    saved = checkpoint.load(make_model("lstm", kind="text"))
    config = SamplingConfig(max_tokens=9, logit_bias=(("<end>", -np.inf),))
    one = Sampler(saved, config, prompt="", seed=1, best_of=2)
    list(one.samples(range(5)))
    two = Sampler(saved, config, prompt="", seed=1, like=one)
    list(two.samples(range(3)))
    asked = []
    one._decoder.hasten = lambda *arguments: asked.append(arguments)  # type: ignore[method-assign]
    one.hasten(4)
    two.hasten(4)
    drawn = (5 * 2 + 3) * 9
    assert asked == [(drawn, 4 * 2 * 9), (drawn, 4 * 9)]


def test_it_does_without_tensorflow() -> None:
    code = (
        "import sys, seqgen.models.networks.native.drawing as d;"
        "from seqgen.models.networks.native import can_draw;"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_heads_that_no_vector_fits_are_left_to_numpy() -> None:
    config = ModelConfig("transformer", 20, 1, 24, 24, 2, 16)
    decoder = decoders.build(config, make_weights(config))
    decoder.hasten(sys.maxsize, sys.maxsize)
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
    quick._opened.drawn = sys.maxsize
    quick.hasten(20)
    assert quick._decoder._compiled is not None  # type: ignore[attr-defined]
    assert list(quick.texts(range(20))) == list(slow.texts(range(20)))
