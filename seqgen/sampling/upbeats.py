"""Bars of sections that begin with an upbeat, by the tokens that they are drawn in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqgen.music.abc.grammar import Grammar, State
from seqgen.music.abc.grammar.state import Music
from seqgen.sampling.guide import Bar
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["Upbeats"]

_LINE = frozenset("|:")
# What may stand between the last note of a section and the next section begins with one of these.
_TIMELESS = frozenset("|:] \t\n\\!),'")

BoolArray = NDArray[np.bool_]


class Upbeats:
    """See the module.

    Args:
        grammar: of tunes that are drawn.
        tokenizer: of the model.
    """

    def __init__(self, grammar: Grammar, tokenizer: Tokenizer) -> None:
        self._grammar, self._pieces = grammar, tokenizer.pieces
        pieces = enumerate(tokenizer.pieces, FIRST_PIECE)
        self._timeless = [BOUNDARY, *(at for at, piece in pieces if piece[0] in _TIMELESS)]

    def bar(self, before: State, token: int, after: State) -> Bar:
        """What a token was for its section.

        Args:
            before, after: the states between which it stands; alike for a boundary.
        """
        if not isinstance(before, Music) or not before.own:
            # The upbeat itself, maybe.
            return Bar.ENDED if isinstance(after, Music) and after.own else Bar.NONE
        last, ended = before, token == BOUNDARY
        if not ended:
            assert isinstance(after, Music)  # no header follows music
            piece = self._pieces[token - FIRST_PIECE]
            if before.place == "bar" or not _LINE.isdisjoint(piece):
                for character in piece:
                    on = self._grammar.advance(last, character)
                    if not (isinstance(on, Music) and on.own):
                        break
                    ended |= on.spent < last.spent
                    last = on
            if after.own:
                past = after.spent > after.setting.full - after.pickup
                return Bar.ENDED if ended else Bar.PAST if past else Bar.NONE
        complete = last.spent == last.setting.full - last.pickup
        return Bar.COMPLETE if complete else Bar.UNEVEN

    def closing(self, state: State, allowed: BoolArray) -> BoolArray:
        """The tokens that may come in a bar which is to complete the upbeat and end the section.

        As long as it is not too long by then; once it is long enough, nothing that takes time.

        Args:
            allowed: those that may come in any bar, (vocabulary,).
        """
        assert isinstance(state, Music)  # it has an upbeat
        enough = state.setting.full - state.pickup
        if self._spent(state) != enough:
            return allowed
        closing = np.zeros_like(allowed)
        for token in self._timeless:
            if allowed[token]:
                after: State | None = state
                if token != BOUNDARY:
                    after = self._grammar.read(state, self._pieces[token - FIRST_PIECE])
                assert after is not None  # it is allowed
                bar = self.bar(state, token, after)
                fits = bar is Bar.NONE and self._spent(after) <= enough
                closing[token] = fits or bar is Bar.COMPLETE
        return closing

    def _spent(self, state: State) -> int:
        """Steps of the bar, with a note that may still become longer."""
        assert isinstance(state, Music)  # nothing else has bars
        return (self._grammar.music.settle(state) or state).spent
