"""A model file of every format version there has been: it opens, and says what it always said.

The files in tests/golden/ are never written anew. That of a new version is made by this, in the
project's folder, once, by the first seqgen that writes it:

    python -c "from tests.test_golden import make; make()"
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.checkpoint import FORMAT_VERSION, Card
from seqgen.config import ModelConfig, SamplingConfig
from seqgen.models.parameters import Weights, shapes
from seqgen.sampling.sampler import Sampler
from seqgen.tokenization import Tokenizer

FOLDER = Path(__file__).parent / "golden"
VERSIONS = range(1, FORMAT_VERSION + 1)
PIECES = ["\n", " ", "a", "b", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
MEMORY = {"optimizer/mean": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array([7])}
DIGESTS = {1: "bf7fbc98dd91dbbd098bd37b462659e08e1bd1046deee5de8bb433f911f8ec87"}
DRAWN = {1: "a\ufffdb\ufffdb\ufffda\ufffd\x1f\ufffd\ufffd\ufffd\ufffd\ufffd\n"}


def _weights(config: ModelConfig) -> Weights:
    """Numbers that need no random generator: multiples of 1/8 from -1 to 1."""
    return {
        name: ((np.arange(np.prod(shape)) * 5 % 17 - 8) / 8).astype(np.float32).reshape(shape)
        for name, shape in shapes(config).items()
    }


def make() -> None:
    """Write the file of the version that this seqgen writes."""
    tokenizer = Tokenizer("char", PIECES)
    config = ModelConfig("gru", tokenizer.size, 1, 3, 2, 0, 8)
    card = Card(
        model=config,
        tokenizer=tokenizer,
        kind="text",
        corpus={"name": "golden", "digest": "0", "documents": 1, "characters": 9},
        recipe={"learning_rate": 1e-05, "steps": 9},
        metrics={"step": 5, "bits_per_char": 2.5, "nats_per_char": 1.75},
        versions={"seqgen": "0.0"},
        created="2026-01-01T00:00:00+00:00",
        progress={"step": 7},
    )
    checkpoint.save(
        FOLDER / f"version-{FORMAT_VERSION}.safetensors", card, _weights(config), MEMORY
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_opens(version: int) -> None:
    path = FOLDER / f"version-{version}.safetensors"
    saved, memory = checkpoint.load_training(path)
    card = saved.card
    assert card.digest == DIGESTS[version]
    assert card.model == ModelConfig("gru", card.tokenizer.size, 1, 3, 2, 0, 8)
    assert list(card.tokenizer.pieces) == PIECES
    assert (card.kind, card.corpus["name"], card.progress) == ("text", "golden", {"step": 7})
    assert card.recipe == {"learning_rate": 1e-05, "steps": 9}
    assert card.metrics["bits_per_char"] == 2.5
    for found, expected in ((saved.weights, _weights(card.model)), (memory, MEMORY)):
        assert found.keys() == expected.keys()
        assert all((found[name] == tensor).all() for name, tensor in expected.items())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_writes_what_it_wrote(version: int) -> None:
    saved = checkpoint.load(FOLDER / f"version-{version}.safetensors")
    config = SamplingConfig(max_tokens=20, temperature=0.5)
    assert Sampler(saved, config, prompt="a", seed=1).text(0) == DRAWN[version]


def test_there_is_a_file_for_each_version() -> None:
    assert [path.stem for path in sorted(FOLDER.iterdir())] == [f"version-{n}" for n in VERSIONS]
