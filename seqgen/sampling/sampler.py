"""A model made ready to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import SamplingConfig
from seqgen.corpus.stripping import split_heading, stripped_by, with_heading
from seqgen.errors import InputError, UsageError
from seqgen.models import decoders
from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import Grammatical, continuation
from seqgen.sampling.infill import Gaps
from seqgen.sampling.penalties import biases

__all__ = ["VALID", "Sampler"]

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
        observe: told of every token drawn under the grammar; see ``continuation``.
    Raises:
        UsageError: the model writes text or MIDI, and more than a valid tune is asked of it; or its
            vocabulary can't spell such a tune, or lacks a token that is to have a bias.
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
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        self.saved, self.config, self.seed = saved, config, seed
        self._gaps, self._observe = gaps, observe
        self._length = _mean_length(saved.card)
        biases(config.logit_bias, saved.card.tokenizer)  # a wrong one is known before any output
        self._strip = stripped_by(saved.card.corpus) if saved.card.kind == "abc" else None
        self._title = conditions.title if conditions is not None else ""
        self._constraint: Constraint | None = None
        self._grammar: Grammatical | None = None
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

    def stream(self, number: int) -> Iterator[str]:
        """Sample ``number``, counted from 0, the prompt first, in pieces as it is drawn."""
        tokenizer = self.saved.card.tokenizer
        if self._gaps is not None and self._constraint is not None:
            yield self._gaps.fill(
                self._decoder, tokenizer, self._constraint, self.config,
                seed=self.seed, number=number, strip=self._strip,
            )  # fmt: skip
            return
        heading, prompt = self._heading(self.prompt, number)
        pieces = continuation(
            self._decoder, tokenizer, prompt, self.config, heading=heading, length=self._length,
            seed=self.seed, number=number, constraint=self._grammar, observe=self._observe,
        )  # fmt: skip
        # A prompt that can't be gone on from is no output: the first piece is drawn before it.
        try:
            first = next(pieces, "")
        except InputError as error:
            added = (heading + prompt).count("\n") - self.prompt.count("\n")
            line = None if error.line is None else error.line - added
            raise InputError(error.message, line=line, column=error.column) from error
        if heading + prompt:
            yield heading + prompt
        if first:
            yield first
        yield from pieces

    def _heading(self, prompt: str, number: int) -> tuple[str, str]:
        """What a tune begins with that the model does not write, and the rest of the prompt."""
        if self._strip is None:
            return "", prompt
        whole = with_heading(prompt, self._strip, number=number + 1, title=self._title)
        *heading, rest = split_heading(whole, self._strip)
        return "".join(heading), rest

    def text(self, number: int) -> str:
        """Sample ``number`` as a whole, ending in a newline."""
        text = "".join(self.stream(number))
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
