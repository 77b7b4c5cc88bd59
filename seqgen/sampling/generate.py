"""Drawing one document after another from a model, text as it becomes certain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.errors import CheckpointError, UsageError
from seqgen.models.decoders import Decoder
from seqgen.sampling.filters import FloatArray, distribution, log_softmax, temperature_at
from seqgen.sampling.penalties import Penalties
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer

__all__ = ["Grammatical", "Standing", "continuation", "draw"]

_NEVER = 23.0  # nats below the likeliest token: once in 10^10 draws
_LAST_WORDS = 12  # tokens that a tune may take to its end beyond the least, once it is to end


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
    def place(self, state: Any) -> Standing: ...
    def follow(self, place: Any, token: int) -> Standing: ...


def continuation(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    *,
    seed: int,
    number: int,
    heading: str = "",
    length: int | None = None,
    constraint: Grammatical | None = None,
    observe: Callable[[str, float], None] | None = None,
) -> Iterator[str]:
    """How a model goes on from a prompt, in pieces, until it ends the document.

    Args:
        prompt: the document's beginning; may be empty. It is not repeated.
        heading: what stands before the prompt, but is not for the model to read.
        length: tokens that are expected to be drawn, over which the temperature goes from its first
            value to its last; None for ``config.max_tokens``, which it is at most.
        seed, number: decide the draws; ``number`` counts the samples of one seed from 0, so each
            can be drawn again alone.
        constraint: holds the draws to valid tunes; None leaves them free. What it forbids loses its
            probability after the penalties of ``config``, and before what looks at probabilities.
        observe: called with each token's text and the share of probability that the constraint
            took from the others, at temperature 1.
    Raises:
        InputError: no valid tune begins with the prompt.
        UsageError: no valid tune is as short as ``config.max_tokens``; or a text that
            ``config.logit_bias`` names is no token.
    Yields:
        Text, never empty. It stops at the document's end, before one of ``config.stop``, or after
        ``config.max_tokens`` tokens.
    """
    rng = np.random.default_rng([seed, number])
    guide = None if constraint is None else _Guide(constraint, heading + prompt, config.max_tokens)
    ids = np.concatenate([[BOUNDARY], tokenizer.encode(prompt)]).astype(np.int32)
    logits, state = decoder.prefill(ids[None], decoder.start(1))
    stream = StreamDecoder(tokenizer, errors="replace")
    stop = _Stop(config.stop)
    penalties = Penalties(config, tokenizer, ids[None, 1:])
    length = min(length or config.max_tokens, config.max_tokens)
    for drawn in range(config.max_tokens):
        temperature = temperature_at(config, drawn, length)
        scores = penalties.apply(logits)[0]
        scores = scores if guide is None else guide.hold(scores, rng)
        token = draw(distribution(scores, config, temperature), rng)
        while guide is not None and not guide.fits(token):
            # As if it had been forbidden at once, without asking of every token that is not drawn.
            scores = guide.forbid(token, scores)
            token = draw(distribution(scores, config, temperature), rng)
        if guide is not None:
            if observe is not None:
                observe(tokenizer.decode([token]), guide.removed(logits[0]))
            guide.advance(token)
        if token == BOUNDARY:
            break
        if text := stop.feed(stream.feed(token)):
            yield text
        if stop.met:
            return
        chosen = np.array([token], np.int32)
        penalties.add(chosen)
        logits, state = decoder.step(chosen, state)
    if text := stop.feed(stream.finish()) + stop.finish():
        yield text


def draw(probabilities: FloatArray, rng: np.random.Generator) -> int:
    """An id drawn from the distribution, (vocabulary,)."""
    # Inverse of the cumulative distribution: one uniform number a token, whatever the filters.
    cumulative = np.cumsum(probabilities)
    if not cumulative[-1] > 0:  # NaN: the weights, though finite, are too large to reckon with
        raise CheckpointError("this model's weights give no probabilities; train it anew")
    drawn = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
    # Rounding can reach the sum itself; then it is the last token that has any probability.
    last = len(cumulative) - 1 if drawn < len(cumulative) else np.flatnonzero(probabilities)[-1]
    return int(min(drawn, last))


class _Guide:
    """One tune held to the grammar while it is drawn."""

    def __init__(self, constraint: Grammatical, prompt: str, max_tokens: int) -> None:
        self._constraint = constraint
        self._place = constraint.place(constraint.begin(prompt))
        self._left = max_tokens
        self._ending = False
        least = constraint.least(self._place.state)
        if least is None:
            raise UsageError("this model's vocabulary can't finish a tune that begins so")
        if least > max_tokens:
            raise UsageError(
                f"--max-tokens {max_tokens} is too short for any valid tune; the least is {least}"
            )
        self._free = constraint.binds(self._place.state, max_tokens)
        self._allowed = self._place.allowed

    def hold(self, logits: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
        """The logits with minus infinity for what may not come, (vocabulary,).

        A model that would end the tune where it may not end yet is led to an end soon: otherwise
        it would wander on, where it has never been, for as long as the length allows.
        """
        place = self._place
        self._allowed = place.allowed
        if not self._ending and not place.allowed[BOUNDARY]:
            most = logits.max()
            # Most often so unlikely that the sum needn't be known.
            if logits[BOUNDARY] > most - _NEVER:
                shifted = np.exp(logits - most)
                if rng.random() * shifted.sum() < shifted[BOUNDARY]:
                    self._ending = True
                    least = self._constraint.least(place.state) or 0
                    self._left, self._free = min(self._left, least + _LAST_WORDS), 0
        if self._free == 0:
            self._free = self._constraint.binds(place.state, self._left)
        held = logits + place.forbidden
        # Nothing that may come has any probability: each is as likely as the other.
        return held if held.max() > -np.inf else place.forbidden

    def fits(self, token: int) -> bool:
        """Whether the tune can still be finished in the length left after an allowed token."""
        if self._free or token == BOUNDARY:
            return True
        least = self._constraint.least(self._constraint.follow(self._place, token).state)
        return least is not None and least < self._left

    def forbid(self, token: int, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """The logits without a token that does not fit."""
        self._allowed = self._allowed.copy()
        self._allowed[token] = False
        kept = scores.copy()
        kept[token] = -np.inf
        return kept if np.isfinite(kept.max()) else np.where(self._allowed, 0.0, -np.inf)

    def removed(self, logits: NDArray[np.floating]) -> float:
        """The share of probability that stood on what may not come."""
        return float(1.0 - np.exp(log_softmax(logits))[self._allowed].sum())

    def advance(self, token: int) -> None:
        """Go on after a token."""
        self._left -= 1
        self._free = max(0, self._free - 1)
        if token != BOUNDARY:
            self._place = self._constraint.follow(self._place, token)


class _Stop:
    """Lets text through up to the first stop text, holding back what could be one's beginning.

    The first is the one that is complete first as the characters come, and of several that end
    together the longest: how the text was cut into tokens makes no difference.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.met = False

    def feed(self, text: str) -> str:
        if not self._stops:
            return text
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.met = True
            ready, self._held = self._held[: min(found)[1]], ""
            return ready
        # The longest end of what is held that begins a stop text is not decided yet.
        cut = max(0, len(self._held) - max(map(len, self._stops)) + 1)
        while not any(stop.startswith(self._held[cut:]) for stop in self._stops):
            cut += 1
        ready, self._held = self._held[:cut], self._held[cut:]
        return ready

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held
