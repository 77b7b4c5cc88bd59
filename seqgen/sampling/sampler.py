"""A model made ready to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import SamplingConfig
from seqgen.corpus.stripping import split_heading, stripped_by, with_heading
from seqgen.errors import InputError, UsageError
from seqgen.models import decoders
from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import Drawing
from seqgen.sampling.guide import Grammatical
from seqgen.sampling.infill import Gaps
from seqgen.sampling.penalties import biases

if TYPE_CHECKING:
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["VALID", "Sampler"]

_ROWS = 64  # samples that are drawn at once, at most
_STATE_BYTES = 1 << 28  # that they may take together

VALID = Conditions()
"""Any valid tune."""


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
    ) -> None:
        self.saved, self.config, self.seed = saved, config, seed
        self._gaps, self._observe, self._best_of = gaps, observe, best_of
        self._scorer: Scorer | None = None
        biases(config.logit_bias, saved.card.tokenizer)  # a wrong one is known before any output
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
            if config.stop:
                raise UsageError("this model writes MIDI, which ends by itself; drop --stop")
            self._grammar = _events(saved)
            prompt = "".join(f"{word}\n" for word in prompt.split())
        elif saved.card.kind != "abc":
            if conditions != VALID or gaps is not None or observe is not None:
                raise UsageError("this model writes text, which has no metre, key or bars")
            if grammar is not None:
                from seqgen.sampling.text_constraint import TextConstraint

                self._grammar = TextConstraint(saved.card.tokenizer, grammar, config.max_tokens)
        elif conditions is not None:
            if self._strip == "titles":
                # The heading says it, and the vocabulary need not spell it.
                own = split_heading(prompt, self._strip)[1]
                if conditions.title and own not in ("", f"T:{conditions.title}\n"):
                    raise UsageError("the prompt has another title than --title asks for")
                conditions = replace(conditions, title="")
            elif conditions.title and not prompt:
                # The title is whatever it is, so the network may as well read it as given.
                prompt = f"X:1\nT:{conditions.title}\n"
            self._constraint = Constraint(
                saved.card.tokenizer,
                conditions,
                compass=_compass(saved.card),
                heading=self._heading("", 0)[0],
            )
            self._grammar = self._constraint
        self.prompt = prompt
        self._decoder = decoders.build(saved.card.model, saved.weights)
        self._drawing = Drawing(
            self._decoder, saved.card.tokenizer, self._heading(prompt, 0)[1], config, seed=seed,
            length=_mean_length(saved.card), constraint=self._grammar, observe=observe,
            exact=partial(decoders.build_exact, saved.card.model, saved.weights),
        )  # fmt: skip

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
        attempts = range(attempt * self._best_of, (attempt + 1) * self._best_of)
        keys = [(number, each) for number in numbers for each in attempts]
        drawn = self._drawn(keys)
        if self._best_of == 1:
            begun = -1
            for place, text in drawn:
                while begun < place:
                    begun += 1
                    yield from self._opening(keys[begun][0])
                if text:
                    yield keys[place][0], text
            return
        candidates = [""] * self._best_of
        for place, text in drawn:
            candidates[place % self._best_of] += text
            if not text and place % self._best_of == self._best_of - 1:
                number = keys[place][0]
                yield from self._opening(number)
                if best := self._likeliest(candidates):
                    yield number, best
                candidates = [""] * self._best_of

    def _drawn(self, keys: Sequence[tuple[int, int]]) -> Iterator[tuple[int, str]]:
        """What is drawn after the prompt: see ``Drawing.samples``, but one after the other."""
        rows = max(1, min(_ROWS, len(keys), _STATE_BYTES // self._decoder.row_bytes()))
        if self._observe is not None:  # it is told of one sample after the other
            rows = 1
        drawn = self._drawing.samples(
            keys, rows=rows, heading=lambda number: self._heading(self.prompt, number)[0]
        )
        current = 0
        # What others have drawn while the current one is not at its end.
        ahead: dict[int, list[str]] = {}
        try:
            for place, text in drawn:
                if place != current:
                    ahead.setdefault(place, []).append(text)
                    continue
                yield place, text
                ended = not text
                while ended:
                    current += 1
                    texts = ahead.pop(current, [])
                    ended = bool(texts) and not texts[-1]
                    yield from ((current, each) for each in texts)
        # A prompt that can't be gone on from is no output: nothing has been drawn before this.
        except InputError as error:
            added = "".join(self._heading(self.prompt, keys[0][0])).count("\n")
            line = None if error.line is None else error.line - added + self.prompt.count("\n")
            raise InputError(error.message, line=line, column=error.column) from error

    def _likeliest(self, candidates: Sequence[str]) -> str:
        """The one with the highest mean log-likelihood a token, its prompt and end included."""
        from seqgen.sampling.likelihood import Scorer

        if self._scorer is None:
            self._scorer = Scorer(self.saved)
        prompt = self._heading(self.prompt, 0)[1]
        # Prose is cut where its length is up; what ends is judged by its end too.
        closed = self.saved.card.kind != "text"
        surprises = self._scorer.score([prompt + each for each in candidates], closed=closed)
        means = [each.nats.mean() if len(each.nats) else np.inf for each in surprises]
        return candidates[int(np.argmin(means))]

    def _opening(self, number: int) -> Iterator[tuple[int, str]]:
        if opening := "".join(self._heading(self.prompt, number)):
            yield number, opening

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


MOST = 1 << 60  # characters of a corpus


def _mean_length(card: Card) -> int | None:
    """Tokens of a document that a model has learnt from, on average; None if it does not know."""
    match card.corpus:
        case {"documents": int(documents), "characters": int(size)} if documents > 0 < size < MOST:
            # Characters a token, as far as the held-out part was evaluated.
            nats = card.metrics.get("nats_per_token", 0.0)
            share = card.metrics.get("nats_per_char", nats) / nats if nats > 0.0 else 1.0
            return max(1, round(share * size / documents))
    return None
