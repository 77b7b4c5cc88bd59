"""What samplers of one model share: all that is made ready once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from seqgen.checkpoint import Card, Checkpoint
from seqgen.models import decoders
from seqgen.music.abc.grammar.conditions import WHOLE_RANGE, Conditions
from seqgen.sampling.constraint import Constraint

if TYPE_CHECKING:
    from seqgen.models.decoders import Decoder
    from seqgen.sampling.crew import Crew
    from seqgen.sampling.guide import Grammatical
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["Opened"]

MOST_KEPT = 4  # grammars; each may keep 64 MB of masks
MOST = 1 << 60  # documents or characters of a corpus, and tokens of a document

Made = TypeVar("Made")


class Opened:
    """A model opened for sampling.

    Args:
        saved: the model.
    Attributes:
        drawn, ended: tokens and samples that this process has drawn from it, but for those that
            went out by the piece.
    """

    def __init__(self, saved: Checkpoint) -> None:
        self.saved = saved
        self.drawn = self.ended = 0
        self._constraints: dict[object, Constraint] = {}
        self._grammars: dict[object, Grammatical] = {}
        self._crew: Crew | None = None

    @cached_property
    def decoder(self) -> Decoder:
        """The network, one step at a time."""
        return decoders.build(self.saved.card.model, self.saved.weights)

    @cached_property
    def scorer(self) -> Scorer:
        """The network, whole sequences at once."""
        from seqgen.sampling.likelihood import Scorer

        return Scorer(self.saved)

    def crew(self, jobs: int | None) -> Crew:
        """The processes that draw; how many is decided by who asks first."""
        if self._crew is None:
            from seqgen.sampling.crew import Crew

            self._crew = Crew(self.saved, jobs)
        return self._crew

    def constraint(self, conditions: Conditions, heading: str) -> Constraint:
        """The grammar of tunes; see Constraint.

        Raises:
            UsageError: the vocabulary lacks characters that every such tune needs.
        """
        card = self.saved.card
        return _kept(
            self._constraints,
            (conditions, heading),
            lambda: Constraint(card.tokenizer, conditions, compass=_compass(card), heading=heading),
        )

    def events(self) -> Grammatical:
        """The grammar of MIDI's events."""
        from seqgen.sampling.event_constraint import EventConstraint

        return _kept(self._grammars, "", lambda: EventConstraint(self.saved.card.tokenizer))

    def text(self, grammar: TextGrammar, max_tokens: int) -> Grammatical:
        """The grammar of a text; see TextConstraint.

        Raises:
            UsageError: no text meets it.
        """
        from seqgen.sampling.text_constraint import TextConstraint

        return _kept(
            self._grammars,
            (grammar, max_tokens),
            lambda: TextConstraint(self.saved.card.tokenizer, grammar, max_tokens),
        )

    @property
    def mean_length(self) -> int | None:
        """Tokens of a document that it has learnt from, on average; None if it does not know."""
        card = self.saved.card
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


def _kept(made: dict[object, Made], key: object, make: Callable[[], Made]) -> Made:
    """What is there already, or is made now; those used last are kept."""
    found = made.pop(key, None) or make()
    if len(made) == MOST_KEPT:
        del made[next(iter(made))]
    made[key] = found
    return found


def _compass(card: Card) -> tuple[int, int] | None:
    """The lowest and highest pitch of the tunes that a model has learnt."""
    match card.corpus.get("compass"):
        case [int(low), int(high)] if WHOLE_RANGE[0] <= low <= high <= WHOLE_RANGE[1]:
            return low, high
    return None
