"""Samples held to a grammar while they are drawn, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from enum import Enum
from math import exp, inf
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import UsageError
from seqgen.sampling.chance import Chance
from seqgen.sampling.filters import FloatArray, log_softmax
from seqgen.tokenization import BOUNDARY

__all__ = ["Bar", "Grammatical", "Guide", "Standing", "hold"]

_NEVER = 23.0  # nats below the likeliest token: once in 10^10 draws
_WELL = 1.01  # times as much, by which a bound is kept to
_LAST_WORDS = 12  # tokens that a tune may take to its end beyond the least, once it is to end


class Bar(Enum):
    """What a token was in a section that has an upbeat of its own.

    NONE: nothing of note. ENDED: it ended a bar, and another follows. PAST: the bar is too long by
    now to complete the upbeat. COMPLETE: it ended the section, with a bar that completes the
    upbeat. UNEVEN: it ended the section otherwise.
    """

    NONE = 0
    ENDED = 1
    PAST = 2
    COMPLETE = 3
    UNEVEN = 4


class Standing(Protocol):
    """A state, and what may follow it: a mask, (vocabulary,) bool, and minus infinity or 0."""

    @property
    def state(self) -> Any: ...
    @property
    def allowed(self) -> NDArray[np.bool_]: ...
    @property
    def forbidden(self) -> NDArray[np.float32]: ...


class Grammatical(Protocol):
    """What holds a draw to a grammar: `constraint.Constraint` is one, for ABC."""

    def begin(self, prompt: str) -> Any: ...
    def least(self, state: Any) -> int | None: ...
    def binds(self, state: Any, left: int) -> int: ...
    def tries(self, state: Any) -> bool: ...
    def place(self, state: Any) -> Standing: ...
    def follow(self, place: Any, token: int) -> Standing: ...
    def closing(self, place: Any) -> NDArray[np.bool_]: ...
    def bar(self, before: Any, token: int, after: Any) -> Bar: ...


class Guide:
    """One sample held to the grammar.

    Attributes:
        place: where it stands.
        bar: what the last token was.
    Raises:
        InputError: no valid tune begins with the prompt.
        UsageError: none is as short as ``max_tokens``.
    """

    def __init__(self, constraint: Grammatical, prompt: str, max_tokens: int) -> None:
        self._constraint = constraint
        self.place = constraint.place(constraint.begin(prompt))
        self.bar = Bar.NONE
        self._left = max_tokens
        self._ending = False
        self._asked = False  # whether it is to end, before this token
        self._closes = False  # whether this bar is to complete the upbeat
        self._refused: list[int] = []  # instead of this token
        least = constraint.least(self.place.state)
        if least is None:
            raise UsageError("this model's vocabulary can't finish a tune that begins so")
        if least > max_tokens:
            raise UsageError(
                f"--max-tokens {max_tokens} is too short for any valid tune; the least is {least}"
            )
        self._free = constraint.binds(self.place.state, max_tokens)

    def copy(self) -> Guide:
        """One that goes on from here by itself."""
        other = copy(self)
        other._refused = [*self._refused]
        return other

    @property
    def tries(self) -> bool:
        """Whether what is drawn here is on trial; see ``trials``."""
        return self._constraint.tries(self.place.state)

    @property
    def asks(self) -> bool:
        """Whether it is to be decided, before the next token, if the tune is to end soon.

        A model that would end the tune where it may not end yet is led to an end soon: otherwise
        it would wander on, where it has never been, for as long as the length allows.
        """
        return not (self._asked or self._ending or self.place.allowed[BOUNDARY])

    def settle(self, ending: bool) -> None:
        """Decide it."""
        self._asked = True
        if ending:
            self._ending = True
            least = self._constraint.least(self.place.state) or 0
            self._left, self._free = min(self._left, least + _LAST_WORDS), 0

    @property
    def may_close(self) -> bool:
        """Whether anything may come from here on in a bar that is to complete the upbeat."""
        return bool(self._constraint.closing(self.place).any())

    def close(self) -> None:
        """Let the section end with this bar, and the bar complete the upbeat, if that can be."""
        self._closes = True

    def leave(self) -> None:
        """Let the tune end where it does: what comes is known."""
        self._ending = True

    def bind(self) -> None:
        """Find out for how long the length left does not matter, where that is not known."""
        if self._free == 0:
            self._free = self._constraint.binds(self.place.state, self._left)

    @property
    def narrowed(self) -> bool:
        """Whether less may come than its place allows: what was drawn can't in the length left, or
        a bar is to complete the upbeat."""
        return self._closes or bool(self._refused)

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """What may come, (vocabulary,)."""
        allowed = self.place.allowed
        if self._closes:
            allowed = self._constraint.closing(self.place)
        if self._refused:
            allowed = allowed.copy()
            allowed[self._refused] = False
        return allowed

    def accepts(self, token: int) -> bool:
        """Whether the tune can be finished in the length left after an allowed token.

        If it can't, the token is as if forbidden; so it isn't asked of every token not drawn.
        """
        if self._free or token == BOUNDARY:
            return True
        least = self._constraint.least(self._constraint.follow(self.place, token).state)
        if least is not None and least < self._left:
            return True
        self._refused.append(token)
        self._closes &= bool(self.allowed.any())
        return False

    def left(self, logits: NDArray[np.floating]) -> float:
        """The share of probability that stands on what may come."""
        return float(np.exp(log_softmax(logits))[self.allowed].sum())

    def advance(self, token: int) -> None:
        """Go on after a token."""
        self._left -= 1
        self._free = max(0, self._free - 1)
        self._asked = False
        if self._refused:
            self._refused = []
        before = self.place
        if token != BOUNDARY:
            self.place = self._constraint.follow(before, token)
        self.bar = self._constraint.bar(before.state, token, self.place.state)
        self._closes &= self.bar is not Bar.COMPLETE


def hold(
    guides: Sequence[Guide],
    chances: Sequence[Chance],
    scores: NDArray[np.floating],
    error: FloatArray | None,
    *,
    greedy: bool = False,
) -> tuple[NDArray[np.floating], list[int]]:
    """Logits with minus infinity for what may not come, and the rows where that can't be told.

    Args:
        guides, chances: of the rows.
        scores: (rows, vocabulary); they are left as they are.
        error: of them, (rows,); None if none needs to be reckoned with.
        greedy: whether the likeliest token comes, and nothing is left to chance.
    """
    unsure = _settle(guides, chances, scores, error, greedy)
    for guide in guides:
        guide.bind()
    forbidden = [guide.place.forbidden for guide in guides]
    held = scores + (np.stack(forbidden) if len(forbidden) > 1 else forbidden[0])
    for row, guide in enumerate(guides):
        if guide.narrowed:
            held[row, ~guide.allowed] = -np.inf
    for row, most in enumerate(held.max(-1).tolist()):
        if most == -inf:
            # Nothing that may come has any probability: each is as likely as the other.
            held[row] = np.where(guides[row].allowed, 0.0, -np.inf)
    return held, unsure


def _settle(
    guides: Sequence[Guide],
    chances: Sequence[Chance],
    scores: NDArray[np.floating],
    error: FloatArray | None,
    greedy: bool,
) -> list[int]:
    """Decide which tunes are to end soon; the rows where a border is too near to tell."""
    most = scores.max(-1)
    leads: list[float] = (scores[:, BOUNDARY] - most).tolist()
    slacks = [0.0] * len(guides) if error is None else (2.0 * error).tolist()
    rows = []
    for row, (guide, lead, slack) in enumerate(zip(guides, leads, slacks, strict=True)):
        if not (lead + _NEVER > -slack and guide.asks):  # nor where it is no number
            continue
        # The share is less than that: mostly nothing more needs to be known.
        if not greedy and lead + _NEVER > slack and chances[row].next > _WELL * exp(lead + slack):
            guide.settle(False)
            chances[row].use()
        else:
            rows.append(row)
    if not rows:
        return []
    shifted = np.exp(scores[rows] - most[rows, None])
    shares = shifted[:, BOUNDARY] / shifted.sum(-1)
    unsure = []
    for row, share in zip(rows, shares.tolist(), strict=True):
        guide, chance = guides[row], chances[row]
        if greedy:
            lead = scores[row, BOUNDARY] - np.delete(scores[row], BOUNDARY).max()
            if error is not None and abs(lead) <= slacks[row]:
                unsure.append(row)
            else:
                guide.settle(bool(lead > 0.0))
            continue
        near = abs(chance.next - share) <= slacks[row] * share * (1.0 - share)
        if error is not None and (near or leads[row] + _NEVER <= slacks[row]):
            unsure.append(row)
        elif leads[row] + _NEVER <= 0.0:
            guide.settle(False)
        else:
            guide.settle(chance.next < share)
            chance.use()
    return unsure
