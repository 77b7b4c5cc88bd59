"""A model made ready to draw from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import SamplingConfig
from seqgen.corpus.stripping import split_heading, stripped_by, with_heading
from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.models import decoders
from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import Drawing, Ending
from seqgen.sampling.guide import Grammatical
from seqgen.sampling.penalties import biases

if TYPE_CHECKING:
    from seqgen.sampling.infill import Gaps
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.novelty import Novelty
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["TRIES", "VALID", "Sample", "Sampler"]

TRIES = 50
"""Draws of a sample, before giving up, that copy the corpus."""

_ROWS = 64  # samples that are drawn at once, at most
_STATE_BYTES = 1 << 28  # that they may take together

VALID = Conditions()
"""Any valid tune."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that has ended.

    Attributes:
        number: of a seed's samples, from 0.
        opening: what it begins with that was not drawn.
        text: what was drawn.
        prompt: what the model read before it.
        ending: the tokens that were drawn, and why no more.
        attempt: which draw of the number it is, from 0.
    """

    number: int
    opening: str
    text: str
    prompt: str
    ending: Ending
    attempt: int = 0


class Sampler:
    """Samples of one model, one set of options, one prompt and one seed.

    Args:
        saved: the model.
        config: how tokens are drawn.
        prompt: what every sample begins with; may be empty.
        seed: with a sample's number, decides it.
        conditions: what a tune must be beyond valid; None lets a model of tunes write what it will.
        gaps: a tune with bars left open, which every sample fills; instead of a prompt.
        best_of: how many are drawn for each sample, which is the one of them that has the highest
            mean log-likelihood a token.
        grammar: what a text that is drawn must be.
        observe: told of every token drawn under the grammar; see ``Drawing``.
        echo: whether a sample's text has the prompt before it.
        novelty: what tells copies, which are drawn again.
    Attributes:
        attempts: of the numbers that were drawn again, which draw was the first that is no copy.
    Raises:
        UsageError: the model writes text or MIDI, and more than a valid tune is asked of it, or
            tunes or MIDI, and there is a grammar; or its vocabulary can't spell such a tune, or
            lacks a token that is to have a bias; or no text meets the grammar.
    """

    def __init__(
        self,
        saved: Checkpoint,
        config: SamplingConfig,
        *,
        prompt: str,
        seed: int,
        conditions: Conditions | None = VALID,
        gaps: Gaps | None = None,
        best_of: int = 1,
        grammar: TextGrammar | None = None,
        observe: Callable[[str, float], None] | None = None,
        echo: bool = True,
        novelty: Novelty | None = None,
    ) -> None:
        self.novelty = novelty
        self.attempts: dict[int, int] = {}
        self.saved, self.config, self.seed, self._echo = saved, config, seed, echo
        self._gaps, self._observe, self._best_of = gaps, observe, best_of
        self._text_grammar = grammar
        self._scorer: Scorer | None = None
        self._check(config)  # what is wrong is known before any output
        self._strip = stripped_by(saved.card.corpus) if saved.card.kind == "abc" else None
        self._title = conditions.title if conditions is not None else ""
        self._constraint: Constraint | None = None
        self._grammar: Grammatical | None = None
        if grammar is not None and saved.card.kind != "text":
            raise UsageError(
                "this model writes music, which has a grammar of its own; --regex, --grammar and "
                "--json-schema are for models of text"
            )
        if saved.card.kind == "midi":
            if conditions != VALID or gaps is not None:
                raise UsageError(
                    "this model writes MIDI, always valid; options for tunes are for models of ABC"
                )
            self._grammar = _events(saved)
        elif saved.card.kind != "abc":
            if conditions != VALID or gaps is not None or observe is not None:
                raise UsageError("this model writes text, which has no metre, key or bars")
            self._grammar = self._text_constraint(config)
        elif conditions is not None:
            if self._strip == "titles":  # the heading says it, and the vocabulary need not spell it
                conditions = replace(conditions, title="")
            self._constraint = Constraint(
                saved.card.tokenizer,
                conditions,
                compass=_compass(saved.card),
                heading=self._heading("", 0)[0],
            )
            self._grammar = self._constraint
        self.prompt = self._prepared(prompt)
        self._decoder = decoders.build(saved.card.model, saved.weights)
        self._drawing = self._draws()

    def otherwise(self, config: SamplingConfig, seed: int) -> Sampler:
        """The same with other options; the model is made ready only once.

        Raises:
            UsageError: a token that is to have a bias is none; or the model writes MIDI, and there
                is a stop text.
        """
        self._check(config)
        other = copy.copy(self)
        if self._text_grammar is not None and config.max_tokens != self.config.max_tokens:
            other._grammar = self._text_constraint(config)
        other.config, other.seed = config, seed
        other._drawing = other._draws()
        return other

    def _check(self, config: SamplingConfig) -> None:
        biases(config.logit_bias, self.saved.card.tokenizer)
        if self.saved.card.kind == "midi" and config.stop:
            raise UsageError("this model writes MIDI, which ends by itself; drop --stop")

    def _text_constraint(self, config: SamplingConfig) -> Grammatical | None:
        if self._text_grammar is None:
            return None
        from seqgen.sampling.text_constraint import TextConstraint

        return TextConstraint(self.saved.card.tokenizer, self._text_grammar, config.max_tokens)

    def _draws(self) -> Drawing:
        model, weights = self.saved.card.model, self.saved.weights
        return Drawing(
            self._decoder, self.saved.card.tokenizer, self._heading(self.prompt, 0)[1], self.config,
            seed=self.seed, length=_mean_length(self.saved.card), constraint=self._grammar,
            observe=self._observe, exact=partial(decoders.build_exact, model, weights),
        )  # fmt: skip

    def _prepared(self, prompt: str) -> str:
        """A prompt as the model has learnt to read it."""
        if self.saved.card.kind == "midi":
            return "".join(f"{word}\n" for word in prompt.split())
        if self._strip == "titles" and self._title:
            own = split_heading(prompt, self._strip)[1]
            if own not in ("", f"T:{self._title}\n"):
                raise UsageError("the prompt has another title than --title asks for")
        elif self._title and not prompt:
            # The title is whatever it is, so the network may as well read it as given.
            return f"X:1\nT:{self._title}\n"
        return prompt

    def stream(self, number: int) -> Iterator[str]:
        """Sample ``number``, counted from 0, the prompt first, in pieces as it is drawn."""
        for _, piece in self.pieces([number]):
            yield piece

    def pieces(self, numbers: Sequence[int], *, attempt: int = 0) -> Iterator[tuple[int, str]]:
        """Some samples, each after the other, in pieces with their numbers, as they are drawn.

        Many are drawn at once; each is the same as alone. The best of several is one piece.

        Args:
            attempt: draws the same numbers otherwise.
        """
        if self._gaps is not None and self._constraint is not None:
            for number in numbers:
                yield number, self._gaps.fill(
                    self._decoder, self.saved.card.tokenizer, self._constraint, self.config,
                    seed=self.seed, number=number, strip=self._strip,
                )  # fmt: skip
            return
        if self._best_of > 1 or self.novelty is not None:
            for sample in self.samples(numbers, attempt=attempt):
                for text in filter(None, (sample.opening, sample.text)):
                    yield sample.number, text
            return
        begun = -1
        for place, text in self._drawn([(number, attempt) for number in numbers]):
            while begun < place:
                begun += 1
                if opening := self._opening(self.prompt, numbers[begun]):
                    yield numbers[begun], opening
            if text:
                yield numbers[place], text

    def samples(
        self, numbers: Sequence[int], prompts: Sequence[str] | None = None, *, attempt: int = 0
    ) -> Iterator[Sample]:
        """Some samples, each when it has ended, in their order; no bars are filled.

        Args:
            prompts: what each begins with, where that is not the same.
            attempt: draws the same numbers otherwise.
        Raises:
            SeqgenError: all that was drawn copies the corpus.
        """
        drawn = self._samples(numbers, prompts, attempt)
        if self.novelty is None:
            yield from drawn
            return
        for place, found in enumerate(drawn):
            sample, own = found, None if prompts is None else [prompts[place]]
            whole = self.prompt if own is None else self._prepared(own[0])
            tries = attempt
            while self.novelty.copies(self._judged(sample, whole)):
                tries += 1
                if tries - attempt == TRIES:
                    raise SeqgenError(
                        f"{TRIES} draws of sample {sample.number} copied the corpus; allow more "
                        "with --novel, or raise --temperature"
                    )
                sample = next(self._samples([sample.number], own, tries))
            if tries:
                self.attempts[sample.number] = tries
            yield replace(sample, attempt=tries)

    def _judged(self, sample: Sample, prompt: str) -> str:
        """What must not be a copy: a whole tune, or the text after the prompt."""
        if self.saved.card.kind == "text":
            return sample.text
        return "".join(self._heading(prompt, sample.number)) + sample.text

    def _samples(
        self, numbers: Sequence[int], prompts: Sequence[str] | None, attempt: int
    ) -> Iterator[Sample]:
        attempts = range(attempt * self._best_of, (attempt + 1) * self._best_of)
        keys = [(number, each) for number in numbers for each in attempts]
        prepared = None
        if prompts is not None:
            prepared = [self._prepared(each) for each in prompts for _ in attempts]
        endings: dict[int, Ending] = {}
        texts: list[str] = []
        parts: list[str] = []
        for place, text in self._drawn(keys, prepared, endings.__setitem__):
            parts.append(text)
            if text:
                continue
            texts.append("".join(parts))
            parts = []
            if len(texts) < self._best_of:
                continue
            whole = self.prompt if prepared is None else prepared[place]
            prompt = self._heading(whole, 0)[1]
            best = self._likeliest(texts, prompt) if self._best_of > 1 else 0
            ending = [endings.pop(place + 1 + back) for back in range(-self._best_of, 0)][best]
            number = keys[place][0]
            opening = self._opening(whole, number)
            yield Sample(number, opening, texts[best], prompt, ending, attempt)
            texts = []

    def _drawn(
        self,
        keys: Sequence[tuple[int, int]],
        prompts: Sequence[str] | None = None,
        ended: Callable[[int, Ending], None] | None = None,
    ) -> Iterator[tuple[int, str]]:
        """What is drawn after the prompt: see ``Drawing.samples``, but one after the other."""
        rows = max(1, min(_ROWS, len(keys), _STATE_BYTES // self._decoder.row_bytes()))
        if self._observe is not None:  # it is told of one sample after the other
            rows = 1

        def heading(place: int) -> str:
            prompt = self.prompt if prompts is None else prompts[place]
            return self._heading(prompt, keys[place][0])[0]

        drawn = self._drawing.samples(
            keys, rows=rows, heading=heading, ended=ended,
            prompts=None if prompts is None else [self._heading(each, 0)[1] for each in prompts],
        )  # fmt: skip
        current = 0
        # What others have drawn while the current one is not at its end.
        ahead: dict[int, list[str]] = {}
        try:
            for place, text in drawn:
                if place != current:
                    ahead.setdefault(place, []).append(text)
                    continue
                yield place, text
                ended_here = not text
                while ended_here:
                    current += 1
                    texts = ahead.pop(current, [])
                    ended_here = bool(texts) and not texts[-1]
                    yield from ((current, each) for each in texts)
        # A prompt that can't be gone on from is no output: nothing has been drawn before this.
        except InputError as error:
            added = "".join(self._heading(self.prompt, keys[0][0])).count("\n")
            line = None if error.line is None else error.line - added + self.prompt.count("\n")
            raise InputError(error.message, line=line, column=error.column) from error

    def _likeliest(self, candidates: Sequence[str], prompt: str) -> int:
        """The one with the highest mean log-likelihood a token, its prompt and end included."""
        # Prose is cut where its length is up; what ends is judged by its end too.
        closed = self.saved.card.kind != "text"
        surprises = self.scorer.score([prompt + each for each in candidates], closed=closed)
        means = [each.nats.mean() if len(each.nats) else np.inf for each in surprises]
        return int(np.argmin(means))

    @property
    def scorer(self) -> Scorer:
        """Of the same model."""
        from seqgen.sampling.likelihood import Scorer

        if self._scorer is None:
            self._scorer = Scorer(self.saved)
        return self._scorer

    def _opening(self, prompt: str, number: int) -> str:
        """What a sample's text has before what is drawn."""
        return "".join(self._heading(prompt, number)) if self._echo or not prompt else ""

    def texts(self, numbers: Sequence[int], *, attempt: int = 0) -> Iterator[str]:
        """Some samples, each as a whole that ends in a newline; see ``pieces``."""
        waiting, parts = iter(numbers), list[str]()
        current = next(waiting, None)
        for number, piece in self.pieces(numbers, attempt=attempt):
            while number != current:
                yield _closed(parts)
                parts, current = [], next(waiting)
            parts.append(piece)
        while current is not None:
            yield _closed(parts)
            parts, current = [], next(waiting, None)

    def _heading(self, prompt: str, number: int) -> tuple[str, str]:
        """What a tune begins with that the model does not write, and the rest of the prompt."""
        if self._strip is None:
            return "", prompt
        whole = with_heading(prompt, self._strip, number=number + 1, title=self._title)
        *heading, rest = split_heading(whole, self._strip)
        return "".join(heading), rest

    def text(self, number: int, *, attempt: int = 0) -> str:
        """Sample ``number`` as a whole that ends in a newline; see ``pieces``."""
        return next(self.texts([number], attempt=attempt))


def _closed(parts: list[str]) -> str:
    text = "".join(parts)
    return text if text.endswith("\n") else text + "\n"


def _events(saved: Checkpoint) -> Grammatical:
    from seqgen.sampling.event_constraint import EventConstraint

    return EventConstraint(saved.card.tokenizer)


def _compass(card: Card) -> tuple[int, int] | None:
    """The lowest and highest pitch of the tunes that a model has learnt."""
    match card.corpus.get("compass"):
        case [int(low), int(high)] if WHOLE_RANGE[0] <= low <= high <= WHOLE_RANGE[1]:
            return low, high
    return None


MOST = 1 << 60  # documents or characters of a corpus, and tokens of a document


def _mean_length(card: Card) -> int | None:
    """Tokens of a document that a model has learnt from, on average; None if it does not know."""
    match card.corpus:
        case {"documents": int(documents), "characters": int(size)} if (
            0 < documents < MOST and 0 < size < MOST
        ):
            # Characters a token, as far as the held-out part was evaluated.
            nats = card.metrics.get("nats_per_token", 0.0)
            share = card.metrics.get("nats_per_char", nats) / nats if nats > 0.0 else 1.0
            length = share * size / documents
            return max(1, round(length)) if length < MOST else None
    return None
