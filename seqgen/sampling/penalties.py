"""The filters that depend on what has come: they remember it, one sequence a row."""

from __future__ import annotations

from collections import deque
from copy import copy

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

__all__ = ["ALL", "END", "Penalties", "Rows", "biases"]

END = "<end>"
"""What the end of a document, which has no text, is called among tokens."""

Rows = NDArray[np.integer] | slice
ALL = slice(None)
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r"}


class Penalties:
    """Logit bias and penalties over a batch of sequences.

    Args:
        config: which, and how strong.
        tokenizer: of the model.
        ids: what every sequence begins with, (batch, time). The boundary before a document is not
            part of it, or else it would be a reason for the document not to end.
    Attributes:
        gain: by how much, at most, an error of the logits grows.
    Raises:
        UsageError: a text with a bias is no token.
    """

    def __init__(
        self, config: SamplingConfig, tokenizer: Tokenizer, ids: NDArray[np.int32]
    ) -> None:
        self._config = config
        self._bias = biases(config.logit_bias, tokenizer)
        self._loops = Loops(config.loop_penalty, ids) if config.loop_penalty else None
        self._rows = np.arange(len(ids))
        self._repeats = config.repetition_penalty != 1.0 and config.repeat_last_n != 0
        self._counts_drawn = bool(config.presence_penalty or config.frequency_penalty)
        self._any = bool(
            config.logit_bias or self._repeats or self._counts_drawn or config.loop_penalty
        )
        penalty = config.repetition_penalty
        self.gain = max(penalty, 1.0 / penalty) if self._repeats else 1.0
        # How often each token has been drawn, and stands among the last; (batch, vocabulary).
        self._drawn = np.zeros((len(ids), tokenizer.size), np.int64)
        self._window = np.zeros_like(self._drawn)
        # What is to leave the window again, oldest first, -1 for nothing; without a bound all stay.
        self._last: deque[NDArray[np.int32]] = deque()
        if self._repeats:
            bounded = config.repeat_last_n > 0
            ids = ids[:, -config.repeat_last_n :] if bounded else ids
            np.add.at(self._window, (self._rows[:, None], ids), 1)
            self._last.extend(ids.T.copy() if bounded else ())

    def apply(self, logits: NDArray[np.floating], rows: Rows = ALL) -> NDArray[np.floating]:
        """The logits, (rows, vocabulary), after bias and penalties; they are left as they are.

        Args:
            rows: the sequences whose logits they are.
        """
        if not self._any:
            return logits
        config, scores = self._config, logits.astype(np.float64)
        if config.logit_bias:
            logit_bias(scores, *self._bias)
        if self._repeats:
            repetition_penalty(scores, self._window[rows] > 0, config.repetition_penalty)
        if config.presence_penalty:
            presence_penalty(scores, self._drawn[rows], config.presence_penalty)
        if config.frequency_penalty:
            frequency_penalty(scores, self._drawn[rows], config.frequency_penalty)
        if self._loops is not None:
            self._loops.hold(scores, rows)
        return scores

    def add(self, ids: NDArray[np.int32]) -> None:
        """Take in the token that has been drawn for each sequence, (batch,)."""
        if not self._any:
            return
        if self._counts_drawn:
            self._drawn[self._rows, ids] += 1
        if self._repeats:
            self._window[self._rows, ids] += 1
            if self._config.repeat_last_n > 0:
                self._last.append(ids.copy())
                if len(self._last) > self._config.repeat_last_n:
                    gone = self._last.popleft()
                    some = gone >= 0
                    self._window[self._rows[some], gone[some]] -= 1
        if self._loops is not None:
            self._loops.add(ids)

    def renew(self, row: int, begun: Penalties) -> None:
        """Let a sequence go on from where the only one of ``begun`` stands."""
        self._drawn[row] = begun._drawn[0]
        self._window[row] = begun._window[0]
        for column in self._last:
            column[row] = -1
        while len(self._last) < len(begun._last):
            self._last.appendleft(np.full(len(self._rows), -1, np.int32))
        for back in range(1, len(begun._last) + 1):
            self._last[-back][row] = begun._last[-back][0]
        if self._loops is not None and begun._loops is not None:
            self._loops.renew(row, begun._loops)

    def of(self, row: int) -> Penalties:
        """Of one sequence, as it stands."""
        one = copy(self)
        if self._any:
            one._last = copy(self._last)
            one._loops = copy(self._loops)
            one.keep(np.array([row]))
        return one

    def keep(self, rows: NDArray[np.integer]) -> None:
        """Drop all sequences but these."""
        self._rows = np.arange(len(rows))
        self._drawn, self._window = self._drawn[rows], self._window[rows]
        self._last = deque(column[rows] for column in self._last)
        if self._loops is not None:
            self._loops.keep(rows)


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
