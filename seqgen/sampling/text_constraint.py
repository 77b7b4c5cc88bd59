"""A grammar for text as a mask over a vocabulary: `constraint` for models of text.

What may come is decided by llguidance (`text_grammar`), whose vocabulary here is the model's own
pieces and, for what these can't spell, all other bytes, each of which stands for the two half bytes
that the model draws.

How near an end is, llguidance does not say. So every state carries a plan, some tokens that lead to
an end: most often what is left of the plan before serves, otherwise a search finds another. A token
after which no plan is short enough never comes, so that a draw always reaches an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import UsageError
from seqgen.sampling.guide import Bar
from seqgen.sampling.text_grammar import TextGrammar, matcher_of
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import ERRORS, FIRST_PIECE

if TYPE_CHECKING:
    from llguidance import LLMatcher

__all__ = ["TextConstraint", "TextPlace"]

Plan = tuple[int, ...]

_BYTES = 256
_SUFFIXES = 4  # last tokens of a plan that are tried alone
_ALIKE = 8  # states that allow the same, and may yet differ in what comes later
_TRIALS = 100_000  # tokens that the first search may try
_FEW_TRIALS = 5_000  # and any other
_BROAD = 32  # where more may come, a search tries the characters of ASCII alone
_MOST_MASKS = 4096  # that are kept


@dataclass(slots=True, eq=False)
class State:
    """What was drawn, as far as it matters.

    Attributes:
        matcher: after all whole bytes; never changed.
        high: the first half of a byte, whose second is to come; None between bytes.
        before: a plan of the state before.
        found: the last plan from where the same might come. Each sample has its own, so that what
            is drawn does not depend on other samples.
        length: bytes drawn since the state before.
        plan: to an end, in llguidance's tokens; None: there is none, or, until ``planned``, it was
            not looked for.
    """

    matcher: LLMatcher
    high: int | None
    before: Plan
    found: dict[bytes, Plan]
    length: int = 0
    plan: Plan | None = None
    planned: bool = False


@dataclass(slots=True, eq=False)
class TextPlace:
    """A state, and what may follow; see ``constraint.Place``."""

    state: State
    allowed: NDArray[np.bool_]
    forbidden: NDArray[np.float32]
    # The place that was asked for last is most often asked for again.
    following: dict[int, TextPlace] = field(default_factory=dict)


class TextConstraint:
    """Which tokens may come, and where each leads. The prompt is not part of what is constrained.

    Args:
        tokenizer: of the model.
        grammar: what the text that is drawn must be.
        max_tokens: the most that will be drawn.
    Raises:
        SeqgenError: llguidance is not installed.
        UsageError: no text meets the grammar, or none as short as that; or the regex is none.
        InputError: the grammar's file has a fault.
    """

    def __init__(self, tokenizer: Tokenizer, grammar: TextGrammar, max_tokens: int) -> None:
        self._size = tokenizer.size
        self._limit = max_tokens
        self._grammar = grammar
        self._masks: dict[bytes, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}
        # Ids of llguidance: the model's; then each byte's, which costs two of the model's.
        tokens = [b"<end>", *[b""] * (FIRST_PIECE - 1)]
        tokens += [piece.encode("utf-8", ERRORS) for piece in tokenizer.pieces]
        known = set(tokens)
        tokens += [b"" if bytes([byte]) in known else bytes([byte]) for byte in range(_BYTES)]
        self._lengths = [len(token) for token in tokens]
        self._plain = np.array([len(token) == 1 and token.isascii() for token in tokens])
        matcher = matcher_of(grammar, tokenizer, tokens)
        plan, over = self._search(matcher)
        if plan is None:
            plan, over = self._search(matcher, alike=_ALIKE)
        if plan is None and not over:
            plan, _ = self._search(matcher, onwards=True)
        if plan is None and over:
            raise UsageError(f"no text can meet {grammar.name}; change it")
        if plan is None:
            raise UsageError(
                f"no text of at most --max-tokens {max_tokens} tokens was found that meets "
                f"{grammar.name}; allow more, or change it"
            )
        self._first = matcher, plan

    def begin(self, _prompt: str) -> State:
        """The state before the first token, whatever the prompt."""
        matcher, plan = self._first
        return State(matcher, None, plan, {}, plan=plan, planned=True)

    def least(self, state: State) -> int | None:
        """Tokens that the text can be finished with from here, at most; None if it can't."""
        if state.high is None:
            plan = self._plan(state)
            return None if plan is None else self._cost(plan)
        for low in self._spelled(state.matcher)[state.high].nonzero()[0].tolist():
            if (end := self.least(self._after(state, 1 + low))) is not None:
                return 1 + end
        return None

    def binds(self, _state: State, _left: int) -> int:
        """For how many tokens the length left is sure not to matter: a grammar may ask for any."""
        return 0

    def tries(self, _state: State) -> bool:
        """Nothing is asked for that what comes before it could contradict."""
        return False

    def closing(self, place: TextPlace) -> NDArray[np.bool_]:
        """There are no bars."""
        return place.allowed

    def bar(self, _before: State, _token: int, _after: State) -> Bar:
        """There are no bars."""
        return Bar.NONE

    def place(self, state: State) -> TextPlace:
        """The place of a state."""
        mask = state.matcher.compute_bitmask()
        key = mask if state.high is None else bytes([state.high]) + mask
        if key not in self._masks:
            if len(self._masks) >= _MOST_MASKS:
                self._masks.clear()
            allowed = np.zeros(self._size, np.bool_)
            spelled = self._spelled(state.matcher)
            if state.high is None:
                allowed[:] = _bits(mask)[: self._size]
                allowed[1:FIRST_PIECE] = spelled.any(1)
            else:
                allowed[1:FIRST_PIECE] = spelled[state.high]
            forbidden = np.where(allowed, np.float32(0), np.float32(-np.inf))
            self._masks[key] = allowed, forbidden
        return TextPlace(state, *self._masks[key])

    def follow(self, place: TextPlace, token: int) -> TextPlace:
        """The place that an allowed token leads to."""
        if token not in place.following:
            place.following = {token: self.place(self._after(place.state, token))}
        return place.following[token]

    def _after(self, state: State, token: int) -> State:
        before = state.before if state.plan is None else state.plan
        if BOUNDARY < token < FIRST_PIECE:
            if state.high is None:
                return State(state.matcher, token - 1, before, state.found)
            token = self._size + (state.high << 4 | token - 1)
        after, length = self._consumed(state.matcher, token), self._lengths[token]
        return State(after, None, before, state.found, length)

    def _consumed(self, matcher: LLMatcher, token: int) -> LLMatcher:
        after = matcher.deep_copy()
        if not after.consume_token(token):
            raise UsageError(f"{self._grammar.name} is too complex to follow; simplify it")
        return after

    def _spelled(self, matcher: LLMatcher) -> NDArray[np.bool_]:
        """Which bytes may come in two halves, (high, low)."""
        bits = _bits(matcher.compute_bitmask())
        return bits[self._size : self._size + _BYTES].reshape(16, 16)

    def _cost(self, plan: Plan) -> int:
        return len(plan) + sum(token >= self._size for token in plan)

    def _plan(self, state: State) -> Plan | None:
        if not state.planned:
            before = state.before
            last = len(before) - 1
            starts = (*range(last, last - _SUFFIXES, -1), *range(state.length + 1, -1, -1))
            known = [before[start:] for start in dict.fromkeys(starts) if 0 <= start <= last]
            mask = state.matcher.compute_bitmask()
            known += [state.found[mask]] if mask in state.found else []
            state.plan = self._search(state.matcher, known, trials=_FEW_TRIALS)[0]
            state.planned = True
            if state.plan is not None:
                state.found[mask] = state.plan
        return state.plan

    def _search(
        self,
        matcher: LLMatcher,
        known: Sequence[Plan] = (),
        *,
        alike: int = 1,
        onwards: bool = False,
        trials: int = _TRIALS,
    ) -> tuple[Plan | None, bool]:
        """A short way to an end, and, where none was found, whether it was looked for everywhere.

        Breadth first by the number of tokens. Where only one token may come there is no choice, and
        such a run is one step, which tells well in which part of a grammar it leads. Of the states
        that as many tokens lead to, with the same last run and the same choices, ``alike`` are
        looked at; so the way may not be the shortest, but it is never wrong.

        Args:
            known: plans that may serve from here on, or from a little further.
            onwards: whether of states alike the latest to come stays. In ``[A-Z]+: [a-z ]{5,9}`` a
                name may always end one letter later, and its run of two tokens is there before
                what counts already, which allows the same: the one would take the other's place.
            trials: tokens that may be tried.
        """
        first = _Way(matcher, (), (), matcher.compute_bitmask())
        levels: dict[int, dict[tuple[Plan, bytes], list[_Way]]] = {0: {((), b""): [first]}}
        while levels:
            cost = min(levels)
            ways = [way for each in levels.pop(cost).values() for way in each]
            for way in ways:
                if way.matcher.is_accepting():
                    return way.plan, False
            for way in ways:
                for plan in known:
                    if way.matcher.validate_tokens([*plan, BOUNDARY]) > len(plan):
                        return way.plan + plan, False
            for way in ways:
                for token in self._choices(way.mask, thorough=alike > 1):
                    trials -= 1
                    if trials < 0:
                        return None, False
                    if (after := self._step(way, token)) is not None:
                        level = levels.setdefault(self._cost(after.plan), {})
                        same = level.setdefault((after.run, after.mask), [])
                        if onwards:
                            same.clear()
                        if len(same) < alike:
                            same.append(after)
            if levels and min(levels) > self._limit:
                return None, False
        return None, True

    def _choices(self, mask: bytes, *, thorough: bool = False) -> list[int]:
        tokens = np.flatnonzero(_bits(mask)[: len(self._plain)])
        tokens = tokens[tokens != BOUNDARY]
        # Of much that may come, most leads to the same: plain characters are enough.
        if len(tokens) > _BROAD and not thorough and self._plain[tokens].any():
            tokens = tokens[self._plain[tokens]]
        return [int(token) for token in tokens]

    def _step(self, way: _Way, token: int) -> _Way | None:
        """A way, a token, and all that then must come."""
        matcher, plan, run = way.matcher.deep_copy(), (*way.plan, token), way.run
        if not matcher.consume_token(token):
            return None
        begun = len(plan)
        while not matcher.is_accepting():
            choices = self._choices(matcher.compute_bitmask())
            if len(choices) != 1 or len(plan) > self._limit:
                break
            plan += (choices[0],)
            run = plan[begun:]
            if not matcher.consume_token(choices[0]):
                return None
        return _Way(matcher, plan, run, matcher.compute_bitmask())


@dataclass(frozen=True, slots=True)
class _Way:
    """Tokens from somewhere to somewhere.

    Attributes:
        matcher: after them.
        plan: the tokens; run: the last of them that had to come, one after the other.
        mask: what may come next.
    """

    matcher: LLMatcher
    plan: Plan
    run: Plan
    mask: bytes


def _bits(mask: bytes) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little").view(np.bool_)
