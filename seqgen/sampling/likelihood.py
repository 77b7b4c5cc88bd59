"""How likely a text is under a model: the surprise of each of its tokens.

It is what the decoders say one token at a time, so a text is exactly as likely as sampling would
draw it, unconstrained and at temperature 1: a recurrent network carries its state through the whole
text, and a Transformer sees, at each token, as many tokens before it as its window holds. Many
texts of like length are read in one product, and each stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.checkpoint import Checkpoint
from seqgen.models import decoders
from seqgen.models.decoders import Decoder
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["Reading", "Scorer", "Surprise", "spelled_in", "tokens"]

IntArray = NDArray[np.int32]

WINDOW = 128  # tokens of each text that are read at once
ROWS = 64  # texts that are read at once, at most
# Numbers that one reading makes, about (32 MB of float32).
NUMBERS = 1 << 23


@dataclass(frozen=True, slots=True)
class Surprise:
    """A text's tokens, and how little each was expected.

    Attributes:
        ids: (tokens,) int32.
        nats: of each, -ln p(token | all before it), (tokens,) float32.
    """

    ids: IntArray
    nats: NDArray[np.float32]


class Scorer:
    """A model made ready to score.

    Attributes:
        spelled: how often each character came that the vocabulary lacks. It is spelled in half
            bytes, and as surprising as they are together.
    """

    def __init__(self, saved: Checkpoint) -> None:
        self.card = saved.card
        self.spelled: Counter[str] = Counter()
        self._decoder = decoders.build(saved.card.model, saved.weights)
        model = saved.card.model
        # A token's logits, and what the network makes for it; a Transformer's scores of attention.
        self._cost = 2 * model.vocabulary + 8 * model.hidden
        self._cost += 2 * model.heads * (model.context + WINDOW)
        if not model.recurrent:  # the cache of keys and values, shared by a window's tokens
            self._cost += 2 * model.layers * model.context * model.hidden // WINDOW
        self.window = max(1, min(WINDOW, NUMBERS // self._cost))

    def score(self, texts: Sequence[str], *, closed: bool) -> list[Surprise]:
        """Every text by itself, in their order.

        Args:
            closed: whether a text's end is expected too; it is then one more token, BOUNDARY.
        """
        end = [BOUNDARY] * closed
        every = [np.concatenate([self._encode(text), end]).astype(np.int32) for text in texts]
        nats = [np.zeros(0, np.float32)] * len(every)
        order = sorted(range(len(every)), key=lambda place: len(every[place]))
        rows = max(1, min(ROWS, NUMBERS // (self._cost * self.window)))
        for first in range(0, len(order), rows):
            places = order[first : first + rows]
            together = [every[place] for place in places]
            for place, each in zip(places, self._score(together), strict=True):
                nats[place] = each
        return [Surprise(*each) for each in zip(every, nats, strict=True)]

    def _score(self, every: Sequence[IntArray]) -> list[NDArray[np.float32]]:
        """The nats of texts that are read in one product."""
        lengths = [len(ids) for ids in every]
        if not max(lengths):
            return [np.zeros(0, np.float32) for _ in every]
        # What stands behind a text's end is read too, and counts for nothing.
        targets = np.full((len(every), max(lengths)), BOUNDARY, np.int32)
        for row, ids in zip(targets, every, strict=True):
            row[: len(ids)] = ids
        start = np.full((len(every), 1), BOUNDARY, np.int32)
        inputs = np.concatenate([start, targets[:, :-1]], axis=1)
        state = self._decoder.start(len(every))
        nats = np.empty(targets.shape, np.float32)
        for at in range(0, targets.shape[1], self.window):
            part = slice(at, at + self.window)
            logits, state = self._decoder.read(inputs[:, part], state)
            nats[:, part] = _nats(logits, targets[:, part])
        return [row[:length] for row, length in zip(nats, lengths, strict=True)]

    def begin(self) -> Reading:
        """A text that comes in parts."""
        return Reading(self._decoder, self._encode, self.window)

    def alternatives(
        self, prompt: str, ids: Sequence[int], count: int
    ) -> Iterator[tuple[float, list[tuple[int, float]]]]:
        """How likely some tokens are after a prompt, and which were likeliest in their places.

        Yields:
            For each, ln p(token | all before it), and the ``count`` likeliest tokens with theirs,
            the likeliest first, of equally likely ones the lowest id.
        """
        before = self.card.tokenizer.encode(prompt)
        whole = np.concatenate([[BOUNDARY], before, ids]).astype(np.int32)
        state = self._decoder.start(1)
        for at in range(0, len(whole) - 1, self.window):
            inputs = whole[:-1][None, at : at + self.window]
            logits, state = self._decoder.read(inputs, state)
            targets = whole[at + 1 : at + 1 + self.window]
            for place in range(max(0, len(before) - at), len(targets)):
                row = logits[0, place].astype(np.float64)
                row -= row.max()
                row -= np.log(np.exp(row).sum())
                likeliest = np.argsort(-row, kind="stable")[:count].tolist()
                yield float(row[targets[place]]), [(each, float(row[each])) for each in likeliest]

    def _encode(self, text: str) -> IntArray:
        ids = self.card.tokenizer.encode(text)
        self.spelled.update(spelled_in(self.card.tokenizer, ids))
        return ids


def spelled_in(tokenizer: Tokenizer, ids: IntArray) -> str:
    """The characters that a vocabulary lacks, of an encoded text."""
    halves = ids[(ids > BOUNDARY) & (ids < FIRST_PIECE)]
    return tokenizer.decode(halves.tolist()) if len(halves) else ""


class Reading:
    """One text, part by part, however long: see Scorer.begin."""

    def __init__(self, decoder: Decoder, encode: Callable[[str], IntArray], window: int) -> None:
        self._decoder, self._encode, self._window = decoder, encode, window
        self._state = decoder.start(1)
        self._last = BOUNDARY

    def feed(self, text: str) -> Surprise:
        """The next part; where it begins and ends, no token may reach over."""
        ids = self._encode(text)
        inputs = np.concatenate([[self._last], ids]).astype(np.int32)
        nats = np.empty(len(ids), np.float32)
        for at in range(0, len(ids), self._window):
            targets = ids[None, at : at + self._window]
            before = inputs[None, at : at + targets.shape[1]]
            logits, self._state = self._decoder.read(before, self._state)
            nats[at : at + self._window] = _nats(logits, targets)[0]
        self._last = int(inputs[-1])
        return Surprise(ids, nats)


def _nats(logits: NDArray[np.float32], targets: IntArray) -> NDArray[np.float32]:
    """-ln softmax(logits)[target]: (batch, time, vocabulary) and (batch, time) to (batch, time)."""
    logits -= logits.max(-1, keepdims=True)
    meant = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    np.exp(logits, out=logits)
    return np.asarray(np.log(logits.sum(-1)) - meant, np.float32)


def tokens(tokenizer: Tokenizer, surprise: Surprise) -> Iterator[tuple[str, float]]:
    """Each token's text and its surprise in nats; a character spelled in half bytes is one.

    The end of a text is a token of no text.
    """
    stream = StreamDecoder(tokenizer)
    held = 0.0
    for token, nats in zip(surprise.ids.tolist(), surprise.nats.tolist(), strict=True):
        text = stream.feed(token)
        held += nats
        if text or token == BOUNDARY:
            yield text, held
            held = 0.0
