"""The filters that depend on what has come: they remember it, one sequence a row."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.errors import UsageError
from seqgen.sampling.filters import (
    FloatArray,
    IntArray,
    frequency_penalty,
    logit_bias,
    presence_penalty,
    repetition_penalty,
)
from seqgen.sampling.loops import Loops
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["END", "Penalties", "biases"]

END = "<end>"
"""What the end of a document, which has no text, is called among tokens."""

_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r"}


class Penalties:
    """Logit bias and penalties over a batch of sequences.

    Args:
        config: which, and how strong.
        tokenizer: of the model.
        ids: what every sequence begins with, (batch, time). The boundary before a document is not
            part of it, or else it would be a reason for the document not to end.
    Raises:
        UsageError: a text with a bias is no token.
    """

    def __init__(
        self, config: SamplingConfig, tokenizer: Tokenizer, ids: NDArray[np.int32]
    ) -> None:
        self._config = config
        self._bias = biases(config.logit_bias, tokenizer)
        self._loops = [
            Loops(config.loop_penalty, row) for row in ids.tolist() if config.loop_penalty
        ]
        self._rows = np.arange(len(ids))
        self._scores = np.empty((len(ids), tokenizer.size))
        self._repeats = config.repetition_penalty != 1.0 and config.repeat_last_n != 0
        self._counts_drawn = bool(config.presence_penalty or config.frequency_penalty)
        self._any = bool(
            config.logit_bias or self._repeats or self._counts_drawn or config.loop_penalty
        )
        # How often each token has been drawn, and stands among the last; (batch, vocabulary).
        self._drawn = np.zeros(self._scores.shape, np.int64)
        self._window = np.zeros(self._scores.shape, np.int64)
        # What is to leave the window again, oldest first; without a bound nothing is.
        self._last: deque[NDArray[np.int32]] = deque()
        if self._repeats:
            bounded = config.repeat_last_n > 0
            ids = ids[:, -config.repeat_last_n :] if bounded else ids
            np.add.at(self._window, (self._rows[:, None], ids), 1)
            self._last.extend(ids.T if bounded else ())

    def apply(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """The logits, (batch, vocabulary), after bias and penalties.

        They are left as they are; what is returned is overwritten by the next call.
        """
        if not self._any:
            return logits
        config, scores = self._config, self._scores
        np.copyto(scores, logits)
        if config.logit_bias:
            logit_bias(scores, *self._bias)
        if self._repeats:
            repetition_penalty(scores, self._window > 0, config.repetition_penalty)
        if config.presence_penalty:
            presence_penalty(scores, self._drawn, config.presence_penalty)
        if config.frequency_penalty:
            frequency_penalty(scores, self._drawn, config.frequency_penalty)
        if config.loop_penalty:
            for row, loops in zip(scores, self._loops, strict=True):
                loops.hold(row)
        return scores

    def add(self, ids: NDArray[np.int32]) -> None:
        """Take in the token that has been drawn for each sequence, (batch,)."""
        if self._counts_drawn:
            self._drawn[self._rows, ids] += 1
        if self._repeats:
            self._window[self._rows, ids] += 1
            if self._config.repeat_last_n > 0:
                self._last.append(ids)
                if len(self._last) > self._config.repeat_last_n:
                    self._window[self._rows, self._last.popleft()] -= 1
        if self._config.loop_penalty:
            for token, loops in zip(ids.tolist(), self._loops, strict=True):
                loops.add(token)


def biases(
    given: tuple[tuple[str, float], ...], tokenizer: Tokenizer
) -> tuple[IntArray, FloatArray]:
    r"""The ids and the values of biases for tokens given as text; of one token's the last counts.

    A token is written as its text, with ``\n`` and ``\t`` for what is hard to type, an event of
    MIDI as its word, and the end of the document as ``END``.

    Raises:
        UsageError: a text is not one token of the vocabulary.
    """
    values = {_token(text, tokenizer): value for text, value in given}
    return np.array(list(values), np.int64), np.array(list(values.values()), np.float64)


def _token(text: str, tokenizer: Tokenizer) -> int:
    if text == END:
        return BOUNDARY
    written = text
    for escape, character in _ESCAPES.items():
        written = written.replace(escape, character)
    for piece in (text, written + "\n" * (tokenizer.scheme == "remi")):
        if piece in tokenizer.pieces:
            return FIRST_PIECE + tokenizer.pieces.index(piece)
    ids = tokenizer.encode(written).tolist()
    spelled = " ".join(repr(tokenizer.decode([token])) for token in ids)
    how = f"it is {len(ids)}: {spelled}" if min(ids) >= FIRST_PIECE else "its vocabulary lacks it"
    raise UsageError(
        f"logit-bias is for single tokens, and {text!r} is none of this model's: {how}"
    )
