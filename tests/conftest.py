"""What many tests share: TensorFlow imported quietly, and small models made once."""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from seqgen import checkpoint
from seqgen.checkpoint import Card
from seqgen.config import Architecture
from seqgen.corpus.documents import UNITS, Kind
from seqgen.tokenization import Scheme, Tokenizer
from tests.support import TUNES, make_config, make_weights

# The ordinary run tries the same examples each time, so that it is green or red for a reason in the
# change at hand; `--hypothesis-profile=explore` looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=5000, deadline=None)
settings.load_profile("same")


# What whoever runs the tests has set up for themselves must not decide them.
os.environ["SEQGEN_CONFIG"] = ""
os.environ.pop("SEQGEN_MODEL", None)
# Nor must what is kept for them; the processes that share the tests share this, too.
if "PYTEST_XDIST_WORKER" not in os.environ:
    cache = tempfile.TemporaryDirectory(prefix="seqgen-tests-", ignore_cleanup_errors=True)
    os.environ["XDG_CACHE_HOME"] = cache.name


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """For tests that need it: TensorFlow, imported as training imports it."""
    with warnings.catch_warnings():
        # Its own imports warn about its own dependencies.
        warnings.simplefilter("ignore")
        from seqgen.training.runtime import import_tensorflow

        import_tensorflow()


@pytest.fixture
def tell(capfd: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says a figure that was reached, though pytest captures what tests say."""

    def say(text: str) -> None:
        with capfd.disabled():
            sys.stdout.write(f"\n{text}\n")

    return say


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model file of random weights."""

    def make(
        arch: Architecture = "lstm",
        *,
        name: str = "small",
        scheme: Scheme = "char",
        kind: Kind = "abc",
        text: str = TUNES,
        seed: int = 0,
    ) -> Path:
        tokenizer = Tokenizer.learn(scheme, [text])
        config = make_config(arch, tokenizer.size)
        path = tmp_path / "checkpoints" / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        card = Card(
            model=config,
            tokenizer=tokenizer,
            kind=kind,
            corpus={"name": name, "digest": "0", "documents": 2, "characters": len(text)},
            recipe={},
            metrics={
                "step": 1,
                f"bits_per_{UNITS[kind]}": 2.0,
                f"nats_per_{UNITS[kind]}": 1.4,
            },
            versions={"seqgen": "0"},
            created=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).isoformat(),
        )
        checkpoint.save(path, card, make_weights(config, seed))
        return path

    return make
