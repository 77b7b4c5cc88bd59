"""Drawing documents from a model, several at once, text as it becomes certain.

Each sample depends on its seed and number alone. What is drawn together shares the products of the
network, and one that has ended makes room for the next; see `borders` for why none feels another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.models.decoders import Decoder
from seqgen.sampling.borders import UNSURE, Borders, pick, rounding
from seqgen.sampling.chance import Chance
from seqgen.sampling.filters import FloatArray, distribution, temperature_at
from seqgen.sampling.guide import Grammatical, Guide, hold
from seqgen.sampling.penalties import Penalties
from seqgen.sampling.stop import Stop
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer

__all__ = ["Drawing", "Ending", "FinishReason", "continuation"]

_REFUSED = UNSURE - 1  # a token that was drawn, but leaves no room for an end
_CROWDED = 0.75  # share of a batch's rows that are drawn, below which the others are dropped

Logits = NDArray[np.floating]
Observe = Callable[[str, float], None]
FinishReason = Literal["stop", "length", "end"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What a sample was when it ended.

    Attributes:
        ids: what was drawn, without the boundary after the document.
        reason: ``stop`` before a stop text, ``length`` at the most tokens, ``end`` of the document.
    """

    ids: tuple[int, ...]
    reason: FinishReason


def continuation(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    *,
    seed: int,
    number: int,
    heading: str = "",
    constraint: Grammatical | None = None,
    observe: Observe | None = None,
) -> Iterator[str]:
    """How a model goes on from a prompt, in pieces, until it ends the document.

    Args, raises: as for Drawing and its ``samples``.
    Yields:
        Text, never empty. It stops at the document's end, before one of ``config.stop``, or after
        ``config.max_tokens`` tokens.
    """
    drawing = Drawing(
        decoder, tokenizer, prompt, config, seed=seed, constraint=constraint, observe=observe
    )
    for _, text in drawing.samples([(number, 0)], heading=lambda _: heading):
        if text:
            yield text


class Drawing:
    """Samples of one model, one set of options and one seed.

    Args:
        prompt: the document's beginning; may be empty. It is not repeated.
        length: tokens that are expected to be drawn, over which the temperature goes from its first
            value to its last; None for ``config.max_tokens``, which it is at most.
        constraint: holds the draws to valid tunes; None leaves them free. What it forbids loses its
            probability after the penalties of ``config``, and before what looks at probabilities.
        exact: makes a decoder of the same network in float64; with None the last bits of float32
            decide, and they depend on the batch.
        observe: called with each token's text and the share of probability that the constraint
            took from the others, at temperature 1.
    """

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        prompt: str,
        config: SamplingConfig,
        *,
        seed: int,
        length: int | None = None,
        constraint: Grammatical | None = None,
        exact: Callable[[], Decoder] | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._decoder, self._tokenizer, self._prompt = decoder, tokenizer, prompt
        self._config, self._seed = config, seed
        self._constraint, self._observe = constraint, observe
        self._length = min(length or config.max_tokens, config.max_tokens)
        self._exact = None if exact is None else _Exact(exact)

    def samples(
        self,
        keys: Sequence[tuple[int, int]],
        *,
        rows: int = 1,
        heading: Callable[[int], str] = lambda _: "",
        prompts: Sequence[str] | None = None,
        ended: Callable[[int, Ending], None] | None = None,
    ) -> Iterator[tuple[int, str]]:
        """Samples in pieces, each beside its place in ``keys``, and an empty text at its end.

        Args:
            keys: number and attempt of each, from 0; with the seed they decide it.
            rows: how many are drawn at once, at most.
            heading: what stands before the prompt of a place, but is not for the model to read.
            prompts: what each begins with, where that is not the same.
            ended: told how each has ended, with its place, before its end is.
        Raises:
            InputError: no valid tune begins with the prompt.
            UsageError: no valid tune is as short as ``config.max_tokens``; or a text that
                ``config.logit_bias`` names is no token.
        """
        waiting = self._waiting(keys, heading, prompts)
        batch: list[_Sample | None] = [*islice(waiting, rows)]
        first = batch[0] if batch else None
        if first is None:
            return
        if len(keys) == 1:
            logits, state = first.opening.logits, first.opening.state  # no other begins from them
        else:
            logits = np.repeat(first.opening.logits, len(batch), 0)
            state = self._decoder.keep(first.opening.state, np.zeros(len(batch), np.intp))
        penalties = Penalties(self._config, self._tokenizer, np.zeros((len(batch), 0), np.int32))
        for row, each in enumerate(batch):
            if each is not None:
                penalties.renew(row, each.opening.penalties)
                if each.opening is not first.opening:
                    self._decoder.put(state, row, each.opening.state)
                    logits[row] = each.opening.logits[0]
        while True:
            ids = np.zeros(len(batch), np.int32)
            for row, sample in self._choose(batch, logits, penalties, ids):
                if text := sample.take(int(ids[row])):
                    yield sample.place, text
                if sample.reason is not None:
                    if ended is not None:
                        ended(sample.place, Ending(tuple(sample.ids), sample.reason))
                    yield sample.place, ""
            free = [row for row, each in enumerate(batch) if each is None or each.reason]
            beginning = [*zip(free, islice(waiting, len(free)), strict=False)]
            if len(free) == len(batch) and not beginning:
                return
            penalties.add(ids)
            logits, state = self._decoder.step(ids, state)
            for row in free:
                batch[row] = None
            for row, sample in beginning:
                batch[row] = sample
                self._decoder.put(state, row, sample.opening.state)
                penalties.renew(row, sample.opening.penalties)
                logits[row] = sample.opening.logits[0]
            left = np.array([row for row, each in enumerate(batch) if each is not None])
            if len(left) <= _CROWDED * len(batch):
                batch = [batch[row] for row in left]
                state = self._decoder.keep(state, left)
                penalties.keep(left)
                logits = logits[left]

    def _waiting(
        self,
        keys: Sequence[tuple[int, int]],
        heading: Callable[[int], str],
        prompts: Sequence[str] | None,
    ) -> Iterator[_Sample]:
        constraint, config = self._constraint, self._config
        opening = prompt = None
        for place, key in enumerate(keys):
            wanted = self._prompt if prompts is None else prompts[place]
            guide = None
            if constraint is not None:
                guide = Guide(constraint, heading(place) + wanted, config.max_tokens)
            if opening is None or wanted != prompt:
                opening, prompt = self._open(wanted), wanted
            chance = Chance(self._seed, *key)
            yield _Sample(place, chance, guide, opening, self._tokenizer, config)

    def _open(self, prompt: str) -> _Opening:
        ids = np.concatenate([[BOUNDARY], self._tokenizer.encode(prompt)]).astype(np.int32)
        logits, state = self._decoder.prefill(ids[None], self._decoder.start(1))
        return _Opening(ids, logits, state, Penalties(self._config, self._tokenizer, ids[None, 1:]))

    def _choose(
        self,
        batch: Sequence[_Sample | None],
        logits: Logits,
        penalties: Penalties,
        ids: NDArray[np.int32],
    ) -> list[tuple[int, _Sample]]:
        """Put each sample's next token into ``ids``, (batch,); the rows that are drawn."""
        drawn = [(row, sample) for row, sample in enumerate(batch) if sample is not None]
        rows = np.array([row for row, _ in drawn])
        if len(drawn) < len(batch):
            logits = logits[rows]
        samples = [sample for _, sample in drawn]
        error = None if self._exact is None else rounding(logits)
        tokens = self._attempt(samples, rows, logits, penalties, error)
        for at in np.flatnonzero(tokens < 0).tolist() if tokens.min() < 0 else ():
            one, own = slice(at, at + 1), logits[at : at + 1]
            bound = None if error is None else error[one]
            while tokens[at] < 0:
                if tokens[at] == UNSURE and self._exact is not None:
                    own, bound = self._exact.logits(samples[at]), None
                tokens[one] = self._attempt(samples[one], rows[one], own, penalties, bound)
        ids[rows] = tokens
        if self._observe is not None:
            for token, sample, row in zip(tokens.tolist(), samples, logits, strict=True):
                if sample.guide is not None:
                    self._observe(self._tokenizer.decode([token]), sample.guide.removed(row))
        return drawn

    def _attempt(
        self,
        samples: Sequence[_Sample],
        rows: NDArray[np.intp],
        logits: Logits,
        penalties: Penalties,
        error: FloatArray | None,
    ) -> NDArray[np.int64]:
        """The next token of some samples, UNSURE where a border is too near, or _REFUSED.

        What has been decided stays so: another attempt goes on from there.
        """
        config = self._config
        scores = penalties.apply(logits, rows)
        error = None if error is None else error * penalties.gain
        unsure: list[int] = []
        chances = [sample.chance for sample in samples]
        guides = [sample.guide for sample in samples if sample.guide is not None]
        if guides:
            scores, unsure = hold(guides, chances, scores, error)
        value: float | FloatArray = config.temperature
        if config.final_temperature is not None:
            value = np.array([temperature_at(config, s.drawn, self._length) for s in samples])
        borders = None if error is None else Borders(error)
        probabilities = distribution(scores, config, value, borders)
        uniform = np.array([chance.next for chance in chances])
        tokens = pick(probabilities, uniform, borders)
        if unsure:
            tokens[unsure] = UNSURE
        for at, (token, sample) in enumerate(zip(tokens.tolist(), samples, strict=True)):
            if token >= 0:
                sample.chance.use()
                if sample.guide is not None and not sample.guide.accepts(token):
                    tokens[at] = _REFUSED
        return tokens


@dataclass(slots=True, eq=False)
class _Opening:
    """A prompt that has been read.

    Attributes:
        ids: of the boundary and the prompt, (time,).
        logits: after it, (1, vocabulary).
        state: the decoder's, of one row.
        penalties: of one row.
        exact: logits and state in float64; None until they are asked for.
    """

    ids: NDArray[np.int32]
    logits: Logits
    state: Any
    penalties: Penalties
    exact: tuple[Logits, Any] | None = None


class _Sample:
    """One document while it is drawn.

    Attributes:
        place: of its key.
        ids: what has been drawn.
        reason: why no other token will be; None as long as one will.
        opening: what it goes on from.
        exact: the logits and the state in float64, and how many of the ids they have seen; None
            until they are asked for.
    """

    __slots__ = (
        "_max_tokens", "_stop", "_stream", "chance", "exact", "guide", "ids", "opening", "place",
        "reason",
    )  # fmt: skip

    def __init__(
        self,
        place: int,
        chance: Chance,
        guide: Guide | None,
        opening: _Opening,
        tokenizer: Tokenizer,
        config: SamplingConfig,
    ) -> None:
        self.place, self.chance, self.guide, self.opening = place, chance, guide, opening
        self.ids: list[int] = []
        self.reason: FinishReason | None = None
        self.exact: tuple[Logits, Any, int] | None = None
        self._stream = StreamDecoder(tokenizer, errors="replace")
        self._stop = Stop(config.stop)
        self._max_tokens = config.max_tokens

    @property
    def drawn(self) -> int:
        """Tokens that have been drawn."""
        return len(self.ids)

    def take(self, token: int) -> str:
        """Go on by a token; the text that is certain now."""
        if self.guide is not None:
            self.guide.advance(token)
        text = ""
        if token != BOUNDARY:
            self.ids.append(token)
            text = self._stop.feed(self._stream.feed(token))
            if self._stop.met:
                self.reason = "stop"
                return text
        if token == BOUNDARY or len(self.ids) == self._max_tokens:
            self.reason = "end" if token == BOUNDARY else "length"
            text += self._stop.feed(self._stream.finish()) + self._stop.finish()
        return text


class _Exact:
    """Logits in float64, for the few tokens that need them.

    Args:
        build: makes the decoder.
    """

    def __init__(self, build: Callable[[], Decoder]) -> None:
        self._build = build
        self._decoder: Decoder | None = None

    def logits(self, sample: _Sample) -> Logits:
        """After all that has been drawn of a sample, (1, vocabulary)."""
        if self._decoder is None:
            self._decoder = self._build()
        if sample.exact is None:
            opening = sample.opening
            if opening.exact is None:
                opening.exact = self._decoder.prefill(opening.ids[None], self._decoder.start(1))
            logits, primed = opening.exact
            sample.exact = logits, self._decoder.keep(primed, np.zeros(1, np.intp)), 0
        logits, state, seen = sample.exact
        if seen < len(sample.ids):
            unseen = np.array([sample.ids[seen:]], np.int32)
            logits, state = self._decoder.prefill(unseen, state)
        sample.exact = logits, state, len(sample.ids)
        return logits
