"""Drawing documents from a model, several at once, text as it becomes certain.

Each sample depends on its seed and number alone. What is drawn together shares the products of the
network, and one that has ended makes room for the next; see `borders` for why none feels another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice

import numpy as np

from seqgen.config import SamplingConfig
from seqgen.models.decoders import Decoder
from seqgen.sampling.batch import Batch
from seqgen.sampling.borders import UNSURE, Borders, most_rounding, pick, rounding
from seqgen.sampling.chance import Chance
from seqgen.sampling.document import Document, Ending, FinishReason, Logits, Opening
from seqgen.sampling.exact import Exact
from seqgen.sampling.filters import FloatArray, relative_probabilities, temperature_at
from seqgen.sampling.guide import Grammatical, Guide, hold
from seqgen.sampling.penalties import Penalties, Rows
from seqgen.sampling.retakes import Retakes
from seqgen.sampling.trials import Trials
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["Drawing", "Ending", "FinishReason", "continuation"]

_REFUSED = UNSURE - 1  # a token that was drawn, but leaves no room for an end

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
        first = [*islice(waiting, rows)]
        if not first:
            return
        penalties = Penalties(self._config, self._tokenizer, np.zeros((len(first), 0), np.int32))
        last = len(keys) == 1 and first[0].trials is None
        batch = Batch(self._decoder, first, penalties, marks=self._marks, last=last)
        while True:
            tokens = self._choose(batch)
            free = 0
            again: list[Document] = []
            back: list[Document] = []
            for at, sample in enumerate(batch.documents):
                text = sample.take(tokens[at])
                if sample.trials is not None:
                    text = self._tried(sample, sample.trials, text)
                    if sample.trials is not None and not sample.ids:
                        again.append(sample)
                elif sample.retakes is not None:
                    text = self._judged(sample, sample.retakes, text, back)
                    if back and back[-1] is sample:
                        tokens[at] = FIRST_PIECE  # any that does not begin another document
                if text:
                    yield sample.place, text
                if sample.reason is not None:
                    free += 1
                    if ended is not None:
                        ended(sample.place, Ending(tuple(sample.ids), sample.reason))
                    yield sample.place, ""
            beginning = [*islice(waiting, free)] if free else []
            if free == len(batch.documents) and not beginning:
                return
            batch.step(tokens)
            if free:
                batch.replace(beginning)
            if again:
                batch.restart(again)
            batch.note(back)

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
            begin: Callable[[], Guide | None] = _free
            if constraint is not None:
                begin = partial(Guide, constraint, heading(place) + wanted, config.max_tokens)
            if opening is None or wanted != prompt:
                opening, prompt = self._open(wanted), wanted
            chance = partial(Chance, self._seed, *key)
            yield Document(place, chance, begin, opening, self._tokenizer, config)

    def _open(self, prompt: str) -> Opening:
        ids = np.concatenate([[BOUNDARY], self._tokenizer.encode(prompt)]).astype(np.int32)
        logits, state = self._decoder.prefill(ids[None], self._decoder.start(1))
        return Opening(ids, logits, state, Penalties(self._config, self._tokenizer, ids[None, 1:]))

    def _choose(self, batch: Batch) -> list[int]:
        """The next token of each document that is drawn."""
        samples, rows, logits, penalties = (
            batch.documents, batch.rows, batch.logits, batch.penalties,
        )  # fmt: skip
        error = None if self._exact is None else most_rounding(logits)
        tokens = self._attempt(samples, rows, logits, penalties, error)
        trying = False
        if self._constraint is not None:
            for at, sample in enumerate(samples):
                trying = trying or sample.tries is not None
                if sample.given:
                    if tokens[at] == UNSURE:  # it uses up a number as it does where it is sure
                        sample.chance.use()
                    tokens[at] = sample.given.popleft()
        for at in [at for at, token in enumerate(tokens) if token < 0]:
            one, own = slice(at, at + 1), logits[at : at + 1]
            row = one if isinstance(rows, slice) else rows[one]
            bound = None if error is None else error[one]
            answers = None
            if self._exact is not None:
                answers = chain([(own, rounding(own))], self._exact.answers(samples[at]))
            while tokens[at] < 0:
                if tokens[at] == UNSURE and answers is not None:
                    own, bound = next(answers)
                tokens[one] = self._attempt(samples[one], row, own, penalties, bound)
        if trying or self._observe is not None:
            for token, sample, row in zip(tokens, samples, logits, strict=True):
                if sample.guide is None:
                    continue
                share = 0.0
                if sample.tries is not None or self._observe is not None:
                    share = sample.guide.left(row)
                if sample.tries is not None:
                    sample.tries.now.note(token, sample.guide.allowed, share)
                if sample.trials is None and self._observe is not None:
                    removed = 1.0 - share
                    if sample.retakes is None or not sample.retakes.note(token, removed):
                        self._observe(self._tokenizer.decode([token]), removed)
        return tokens

    def _tried(self, sample: Document, trials: Trials, text: str) -> str:
        """What is certain after a token of a document on trial: nothing before its first lines
        are kept. It begins again if they are not."""
        trials.now.texts.append(text)
        if sample.reason is None:
            if sample.guide is not None and sample.guide.tries:
                return ""
            exactly = None
            if self._exact is not None:
                exactly = partial(self._exact.log_share, sample.opening.ids)
            if not trials.keeps(sample.chance.use(), exactly):
                sample.given.extend(trials.resample(sample.chance.use(), exactly))
                sample.restart()
                return ""
        if self._observe is not None:
            for token, share in zip(trials.now.ids, trials.now.shares, strict=True):
                self._observe(self._tokenizer.decode([token]), 1.0 - share)
        return sample.keep()

    def _judged(self, sample: Document, retakes: Retakes, text: str, back: list[Document]) -> str:
        """What may go out after a token; documents that are to draw a bar again join the others."""
        exactly, start = None, retakes.start
        if self._exact is not None and retakes.trials is not None and start is not None:
            before = np.concatenate([sample.opening.ids, sample.ids[: start.written.drawn]])
            exactly = partial(self._exact.log_share, before)
        out = retakes.take(sample, text, exactly)
        if out is None:
            assert retakes.start is not None  # only what is held back is drawn again
            sample.back(retakes.start)
            back.append(sample)
        elif self._observe is not None:
            for token, removed in retakes.told():
                self._observe(self._tokenizer.decode([token]), removed)
        return out or ""

    def _attempt(
        self,
        samples: Sequence[Document],
        rows: Rows,
        logits: Logits,
        penalties: Penalties,
        error: FloatArray | None,
    ) -> list[int]:
        """The next token of some samples, UNSURE where a border is too near, or _REFUSED.

        What has been decided stays so: another attempt goes on from there.
        """
        config = self._config
        scores = penalties.apply(logits, rows)
        if error is not None and penalties.gain != 1.0:
            error = error * penalties.gain
        unsure: list[int] = []
        if self._constraint is not None:
            guides = [sample.guide for sample in samples if sample.guide is not None]
            chances = [sample.chance for sample in samples]
            greedy = config.temperature == 0.0 and not config.final_temperature
            scores, unsure = hold(guides, chances, scores, error, greedy=greedy)
        value: float | FloatArray = config.temperature
        if config.final_temperature is not None:
            value = np.array([temperature_at(config, s.drawn, self._length) for s in samples])
        borders = None if error is None else Borders(error)
        probabilities = relative_probabilities(scores, config, value, borders)
        tokens = pick(probabilities, [sample.chance.next for sample in samples], borders)
        for at in unsure:
            tokens[at] = UNSURE
        for at, (token, sample) in enumerate(zip(tokens, samples, strict=True)):
            if token >= 0:
                sample.chance.use()
                if sample.guide is not None and not sample.guide.accepts(token):
                    tokens[at] = _REFUSED
        return tokens


def _free() -> None:
    """No guide."""
