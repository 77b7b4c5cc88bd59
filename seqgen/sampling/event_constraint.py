"""The grammar of MIDI events as a mask over a vocabulary: `constraint` for another kind of model.

Every token is a word of the grammar, so a mask is the grammar's own choices. Every state knows how
far it is from the beginning: none is met twice, and none is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import InputError, UsageError
from seqgen.music.remi.grammar import START, State, advance, choices, follow, least
from seqgen.music.remi.words import WORDS, Event
from seqgen.sampling.guide import Bar
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["EventConstraint", "EventPlace"]

_FARTHEST = least(START)


@dataclass(frozen=True, slots=True, eq=False)
class EventPlace:
    """A state, and what may follow; see ``constraint.Place``."""

    state: State
    allowed: NDArray[np.bool_]
    forbidden: NDArray[np.float32]


class EventConstraint:
    """Which tokens may come, and where each leads.

    Args:
        tokenizer: of the model.
    Raises:
        UsageError: the vocabulary lacks words.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._events = {
            token: WORDS[piece.strip()]
            for token, piece in enumerate(tokenizer.pieces, FIRST_PIECE)
            if piece.strip() in WORDS
        }
        self._tokens = {event: token for token, event in self._events.items()}
        if missing := [word for word, event in WORDS.items() if event not in self._tokens]:
            raise UsageError(
                f"this model's vocabulary can't spell MIDI; it lacks {len(missing)} events, such "
                f"as {missing[0]}"
            )
        self._size = tokenizer.size

    def begin(self, prompt: str) -> State:
        """The state after a prompt.

        Raises:
            InputError: no piece begins with it: which word is wrong.
        """
        state = START
        for number, word in enumerate(prompt.split(), 1):
            event = WORDS.get(word)
            after = advance(state, event) if event is not None else None
            if after is None:
                known = " or ".join(choices(state))
                what = "is no event" if event is None else "can't stand there"
                raise InputError(
                    f"word {number} of the prompt, {word}, {what}; what can is {known}"
                )
            state = after
        return state

    def least(self, state: State) -> int:
        """Tokens, at most, that the piece can be finished with from here."""
        return least(state)

    def binds(self, _state: State, left: int) -> int:
        """For how many tokens from here, of those left, the length left is sure not to matter."""
        return max(0, left - _FARTHEST)

    def tries(self, _state: State) -> bool:
        """Nothing is asked for that what comes before it could contradict."""
        return False

    def closing(self, place: EventPlace) -> NDArray[np.bool_]:
        """There are no bars."""
        return place.allowed

    def bar(self, _before: State, _token: int, _after: State) -> Bar:
        """There are no bars."""
        return Bar.NONE

    def place(self, state: State) -> EventPlace:
        """The place of a state."""
        allowed = np.zeros(self._size, np.bool_)
        for kind, values in choices(state).items():
            allowed[[self._tokens[Event(kind, value)] for value in values]] = True
        allowed[BOUNDARY] = state.final
        return EventPlace(state, allowed, np.where(allowed, np.float32(0), np.float32(-np.inf)))

    def follow(self, place: EventPlace, token: int) -> EventPlace:
        """The place that an allowed token leads to."""
        return self.place(follow(place.state, self._events[token]))
