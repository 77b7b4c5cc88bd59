"""The tokens of a run: a vocabulary for its corpus, and a large corpus made into them."""

from __future__ import annotations

import itertools
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seqgen.cli.console import remark

if TYPE_CHECKING:
    from seqgen.corpus.documents import Corpus
    from seqgen.tokenization import Tokenizer

__all__ = ["learn", "tokenize"]

# Byte pairs are learnt from no more: what is common in a large corpus is common in a part of it.
BPE_CHARACTERS = 1 << 24


def learn(training: Corpus, options: dict[str, Any]) -> Tokenizer:
    """The tokenizer that the options ask for, learnt from a training part.

    Raises:
        UsageError: its characters are more than ``vocab_size`` has room for.
    """
    from seqgen.tokenization import Tokenizer

    scheme = options.get("tokens", "auto")
    if scheme == "auto":
        scheme = "abc" if training.kind == "abc" else "char"
    step = math.ceil(training.characters / BPE_CHARACTERS) if scheme == "bpe" else 1
    texts = itertools.islice(training.blocks(), 0, None, step)
    return Tokenizer.learn(scheme, texts, size=options.get("vocab_size"))


def tokenize(training: Corpus, tokenizer: Tokenizer) -> None:
    """Make a large corpus into tokens while there is memory, before TensorFlow takes some."""
    from seqgen.tokenization.encoded import encode, is_large

    if is_large(training):
        remark(f"Tokenizing {training.characters:,} characters; the next run finds them done.")
        with _ending_tidily():
            encode(training, tokenizer)


@contextmanager
def _ending_tidily() -> Iterator[None]:
    """A signal to end is an exception, after which no half-written file is left behind."""
    names = ("SIGTERM", "SIGHUP")
    signs = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {sign: signal.getsignal(sign) for sign in signs}
    before = {sign: handler for sign, handler in before.items() if handler != signal.SIG_IGN}
    for sign in before:
        signal.signal(sign, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
