"""The tokens of a run: a vocabulary for its corpus, and a large corpus made into them."""

from __future__ import annotations

import itertools
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from seqgen.cli.console import remark
from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.corpus.documents import Corpus, Kind
    from seqgen.tokenization import Scheme, Tokenizer

__all__ = ["learn", "tokenize"]

# Byte pairs are learnt from no more: what is common in a large corpus is common in a part of it.
BPE_CHARACTERS = 1 << 24


def learn(training: Corpus, options: dict[str, Any]) -> Tokenizer:
    """The tokenizer that the options ask for, learnt from a training part.

    Raises:
        UsageError: its characters are more than ``vocab_size`` has room for.
    """
    from seqgen.tokenization import Tokenizer

    scheme = _scheme(options.get("tokens", "auto"), training.kind)
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


def _scheme(tokens: str, kind: Kind) -> Scheme:
    """The scheme that --tokens names, or that suits the corpus."""
    if kind == "midi":
        if tokens != "auto":
            raise UsageError(
                f"--tokens {tokens} is for text and tunes; MIDI is learnt event by event"
            )
        return "remi"
    if tokens == "auto":
        return "abc" if kind == "abc" else "char"
    return cast("Scheme", tokens)
