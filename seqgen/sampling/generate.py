"""Drawing documents from a model, several at once, text as it becomes certain.

Each sample depends on its seed and number alone. What is drawn together shares the products of the
network, and one that has ended makes room for the next; see `borders` for why none feels another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.models.decoders import Decoder
from seqgen.sampling.borders import UNSURE, Borders, pick, rounding
from seqgen.sampling.chance import Chance
from seqgen.sampling.document import Document, Ending, FinishReason, Logits, Mark, Opening
from seqgen.sampling.exact import STRIDE, Exact
from seqgen.sampling.filters import FloatArray, distribution, temperature_at
from seqgen.sampling.guide import Grammatical, Guide, hold
from seqgen.sampling.penalties import Penalties
from seqgen.tokenization import BOUNDARY, Tokenizer

__all__ = ["Drawing", "Ending", "FinishReason", "continuation"]

_REFUSED = UNSURE - 1  # a token that was drawn, but leaves no room for an end
_CROWDED = 0.75  # share of a batch's rows that are drawn, below which the others are dropped

Observe = Callable[[str, float], None]


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
        self._exact = None if exact is None else Exact(exact)
        # Of a network that sees everything, states are remembered on the way.
        self._marks = exact is not None and decoder.reach() is None

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
        batch: list[Document | None] = [*islice(waiting, rows)]
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
        steps = 0
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
            steps += 1
            if self._marks and steps % STRIDE == 0:
                kept = self._decoder.keep(state, np.arange(len(batch), dtype=np.int32))
                for row, each in enumerate(batch):
                    if each is not None:
                        each.marks.append(Mark(each.drawn, kept, row))
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
    ) -> Iterator[Document]:
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
            yield Document(place, chance, guide, opening, self._tokenizer, config)

    def _open(self, prompt: str) -> Opening:
        ids = np.concatenate([[BOUNDARY], self._tokenizer.encode(prompt)]).astype(np.int32)
        logits, state = self._decoder.prefill(ids[None], self._decoder.start(1))
        return Opening(ids, logits, state, Penalties(self._config, self._tokenizer, ids[None, 1:]))

    def _choose(
        self,
        batch: Sequence[Document | None],
        logits: Logits,
        penalties: Penalties,
        ids: NDArray[np.int32],
    ) -> list[tuple[int, Document]]:
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
            answers = None if self._exact is None else self._exact.answers(samples[at])
            while tokens[at] < 0:
                if tokens[at] == UNSURE and answers is not None:
                    own, bound = next(answers)
                tokens[one] = self._attempt(samples[one], rows[one], own, penalties, bound)
        ids[rows] = tokens
        if self._observe is not None:
            for token, sample, row in zip(tokens.tolist(), samples, logits, strict=True):
                if sample.guide is not None:
                    self._observe(self._tokenizer.decode([token]), sample.guide.removed(row))
        return drawn

    def _attempt(
        self,
        samples: Sequence[Document],
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
        if error is not None and penalties.gain != 1.0:
            error = error * penalties.gain
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
        tokens = pick(probabilities, [chance.next for chance in chances], borders)
        if unsure:
            tokens[unsure] = UNSURE
        for at, (token, sample) in enumerate(zip(tokens.tolist(), samples, strict=True)):
            if token >= 0:
                sample.chance.use()
                if sample.guide is not None and not sample.guide.accepts(token):
                    tokens[at] = _REFUSED
        return tokens
