"""Filling bars that a tune leaves open, so that they fit what stands before and after them.

Every bar written as ``?`` is drawn after what stands to its left, held to the grammar, several
times; one of these candidates is taken with the probability that the model gives to what stands to
its right after it (sampling importance resampling, Rubin 1987). So the model hears both sides,
though it was trained from left to right.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqgen.config import SamplingConfig
from seqgen.corpus.stripping import Strip, split_heading
from seqgen.errors import InputError, SeqgenError
from seqgen.models.decoders import Decoder
from seqgen.music.abc.grammar import State
from seqgen.music.abc.grammar.state import Music
from seqgen.sampling.borders import pick
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.filters import log_softmax, relative_probabilities
from seqgen.sampling.penalties import Penalties
from seqgen.sampling.recipe import unstamped
from seqgen.tokenization import BOUNDARY, Tokenizer

__all__ = ["GAP", "Gaps"]

GAP = "?"
CANDIDATES = 8
_ATTEMPTS = 64  # for each candidate
_LONGEST = 200  # tokens of a bar
_CONTEXT = 48  # tokens to the right that are listened to
# A gap is one bar on one line: what would end either, or leave something open, is not drawn.
_EXCLUDED = frozenset("|:\n\\%!&-")


class Gaps:
    """A tune with open bars.

    Args:
        text: ABC with ``?`` for each open bar; a stamp before it is passed over.
        path: its file, for messages.
    Raises:
        InputError: it has no open bar, or holds several tunes.
    """

    def __init__(self, text: str, path: str) -> None:
        self._path = path
        tune = unstamped(text)
        self._above = text.count("\n") - tune.count("\n")  # lines of the file before the tune
        header, _, body = tune.replace("\r\n", "\n").partition("\nK:")
        key, _, music = body.partition("\n")
        if GAP not in music:
            raise InputError(
                "has no open bar; write ? for each bar that is to be filled", path=path
            )
        if "\n\n" in music.rstrip("\n"):
            raise InputError("holds more than one tune; give one", path=path)
        first, *rest = music.rstrip("\n").split(GAP)
        self._pieces = (f"{header}\nK:{key}\n{first}", *rest[:-1], rest[-1] + "\n")

    def fill(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        constraint: Constraint,
        config: SamplingConfig,
        *,
        seed: int,
        number: int,
        strip: Strip | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> str:
        """The whole tune, every open bar filled.

        Args:
            strip: what the model has not learnt of a tune's first lines.
            begun: called when what stands before a bar is known to be valid.
        Raises:
            InputError: what the tune holds already is not valid: the place and the reason.
            SeqgenError: no bar was found that fits.
        """
        rng = np.random.default_rng([seed, number])
        text = self._pieces[0]
        unread = len(text) - len(split_heading(text, strip)[-1])
        filled: list[str] = []
        for index, following in enumerate(self._pieces[1:], 1):
            state = self._read(constraint, text, filled)
            begun()
            last = index == len(self._pieces) - 1
            gap = _Gap(decoder, tokenizer, constraint, config, state, following, last)
            bar = gap.draw(text[unread:], rng)
            if bar is None:
                raise SeqgenError(
                    f"{self._path}: no bar was found that fits in open bar {index}, before "
                    f"'{' '.join(following.split())[:20]}'; see that the bars around it are valid"
                )
            filled.append(bar)
            text += bar + following
        return text

    def _read(self, constraint: Constraint, text: str, filled: list[str]) -> State:
        try:
            return constraint.begin(text)
        except InputError as error:
            # The column in the file, where each filled bar is one character.
            line = (error.line or 1) - 1
            pieces = [*self._pieces[: len(filled) + 1]]
            shift, at = 0, 0
            for piece, bar in zip(pieces, filled, strict=False):
                at += piece.count("\n")
                shift += (len(bar) - 1) if at == line else 0
            column = max(1, (error.column or 1) - shift)
            raise InputError(
                error.message, path=self._path, line=self._above + line + 1, column=column
            ) from error


class _Gap:
    """One open bar and what it must fit between."""

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        constraint: Constraint,
        config: SamplingConfig,
        state: State,
        following: str,
        last: bool,
    ) -> None:
        self._decoder, self._tokenizer, self._constraint = decoder, tokenizer, constraint
        # A bar line before the gap is whole: the bar does not go on with it.
        settled = constraint.grammar.music.settle(state) if isinstance(state, Music) else None
        self._config, self._state = config, settled or state
        self._following, self._last = following, last
        self._open = np.array(
            [False] * (tokenizer.size - len(tokenizer.pieces))
            + [not _EXCLUDED.intersection(piece) for piece in tokenizer.pieces]
        )

    def draw(self, left: str, rng: np.random.Generator) -> str | None:
        """A bar; None if none fits."""
        ids = np.concatenate([[BOUNDARY], self._tokenizer.encode(left)]).astype(np.int32)
        found: list[str] = []
        for _ in range(_ATTEMPTS):
            bar = self._candidate(ids, rng)
            if bar is not None:
                found.append(bar)
                if len(found) == CANDIDATES:
                    break
        if not found:
            return None
        scores = np.array([self._score(left, bar) for bar in dict.fromkeys(found)])
        weights = np.exp(scores - scores.max())
        chosen = rng.choice(len(scores), p=weights / weights.sum())
        return list(dict.fromkeys(found))[int(chosen)]

    def _candidate(self, ids: np.ndarray, rng: np.random.Generator) -> str | None:
        """One bar drawn from left to right; None if it ended in nothing that fits."""
        logits, network = self._decoder.prefill(ids[None], self._decoder.start(1))
        penalties = Penalties(self._config, self._tokenizer, ids[None, 1:])
        state, bar = self._state, ""
        for _ in range(_LONGEST):
            if bar and self._fits(state):
                return bar
            allowed = self._constraint.allowed(state) & self._open
            if not allowed.any():
                return None
            held = np.where(allowed, penalties.apply(logits), -np.inf)
            if held.max() == -np.inf:
                return None
            uniform = rng.random(1)
            (token,) = pick(relative_probabilities(held, self._config), uniform)
            state = self._constraint.advance(state, token)
            bar += self._tokenizer.pieces[token - len(self._open) + len(self._tokenizer.pieces)]
            chosen = np.array([token], np.int32)
            penalties.add(chosen)
            logits, network = self._decoder.step(chosen, network)
        return None

    def _fits(self, state: State) -> bool:
        """Whether the bar is full, or completes the upbeat, and what follows can follow."""
        settled = self._constraint.grammar.music.settle(state) if isinstance(state, Music) else None
        if settled is None or not isinstance(self._state, Music):
            return False
        full = settled.setting.full
        if full and settled.spent not in (full, settled.owed, full - settled.pickup):
            return False
        if settled.slurs > self._state.slurs:
            return False
        after = self._constraint.read(state, self._following)
        if not isinstance(after, Music) or self._constraint.grammar.music.settle(after) is None:
            return False
        return not self._last or self._constraint.grammar.is_final(after)

    def _score(self, left: str, bar: str) -> float:
        """Natural logarithm of the probability of what follows, after this bar."""
        # Cut as one text: a bar by itself would be read as words.
        begun = self._tokenizer.encode(left + bar)
        whole = self._tokenizer.encode(left + bar + self._following)
        shorter = min(len(begun), len(whole))
        same = begun[:shorter] == whole[:shorter]
        at = shorter if same.all() else int(same.argmin())
        logits, network = self._decoder.prefill(
            np.concatenate([[BOUNDARY], whole[:at]]).astype(np.int32)[None], self._decoder.start(1)
        )
        total = 0.0
        for token in whole[at : at + _CONTEXT]:
            total += float(log_softmax(logits[0])[token])
            logits, network = self._decoder.step(np.array([token], np.int32), network)
        return total
