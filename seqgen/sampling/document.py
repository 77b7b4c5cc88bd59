"""One document while it is drawn, and the prompt that it goes on from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.sampling.chance import Chance
from seqgen.sampling.guide import Guide
from seqgen.sampling.penalties import Penalties
from seqgen.sampling.retakes import Retakes, Start
from seqgen.sampling.stop import Stop
from seqgen.sampling.trials import Trials
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer

__all__ = ["MARKS", "Document", "Ending", "FinishReason", "Logits", "Mark", "Opening", "Written"]

MARKS = 65
"""States of a document that are remembered, at most."""

Logits = NDArray[np.floating]
FinishReason = Literal["stop", "length", "end"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What a sample was when it ended.

    Attributes:
        ids: what was drawn, without the boundary after the document.
        reason: ``stop`` before a stop text, ``length`` at the most tokens, ``end`` of the document.
    """

    ids: tuple[int, ...]
    reason: FinishReason


@dataclass(slots=True, eq=False)
class Opening:
    """A prompt that has been read.

    Attributes:
        ids: of the boundary and the prompt, (time,).
        logits: after it, (1, vocabulary).
        state: the decoder's, of one row.
        penalties: of one row.
        exact: logits and state in float64; None until they are asked for.
    """

    ids: NDArray[np.int32]
    logits: Logits
    state: Any
    penalties: Penalties
    exact: tuple[Logits, Any] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A state on the way.

    Attributes:
        drawn: tokens of the document that it has seen.
        state: a decoder's, of a batch.
        row: of the document in it.
    """

    drawn: int
    state: Any
    row: int


@dataclass(frozen=True, slots=True)
class Written:
    """How far a document has come.

    Attributes:
        drawn: tokens.
        guide, stream, stop: as they stood.
    """

    drawn: int
    guide: Guide
    stream: StreamDecoder
    stop: Stop

    def reached(self) -> Guide:
        """The guide, to go on from there."""
        return self.guide.copy()


class Document:
    """What is drawn.

    Args:
        chance: random numbers for it, by the number of the stream: 1 for trials, 0 for the rest.
        begin: makes the guide that holds it to a grammar; None if it is free.
    Attributes:
        place: of its key.
        ids: what has been drawn.
        reason: why no other token will be; None as long as one will.
        opening: what it goes on from.
        exact: the logits and the state in float64, and how many of the ids they have seen; None
            until they are asked for.
        marks: the last of its states, the latest last.
        guide: where it stands in the grammar.
        chance: the random numbers of its next tokens.
        given: tokens that are to come, whatever would be drawn.
        trials: of its first lines, while they are drawn.
        retakes: of its bars, where they may be drawn again.
    """

    __slots__ = (
        "_begin", "_later", "_max_tokens", "_stop", "_stops", "_stream", "_tokenizer", "chance",
        "exact", "given", "guide", "ids", "marks", "opening", "place", "reason", "retakes",
        "trials",
    )  # fmt: skip

    def __init__(
        self,
        place: int,
        chance: Callable[[int], Chance],
        begin: Callable[[], Guide | None],
        opening: Opening,
        tokenizer: Tokenizer,
        config: SamplingConfig,
    ) -> None:
        self.place, self.opening = place, opening
        self._tokenizer, self._begin = tokenizer, begin
        self._stops, self._max_tokens = config.stop, config.max_tokens
        self.given: deque[int] = deque()
        self.trials: Trials | None = None
        self.restart()
        # At temperature 0 all would be the same.
        drawn = config.temperature > 0.0
        if self.guide is not None and self.guide.tries and drawn:
            self.trials = Trials()
        self.retakes = Retakes() if self.guide is not None and drawn else None
        self._later = chance(0)
        self.chance = self._later if self.trials is None else chance(1)

    def restart(self) -> None:
        """Forget what has been drawn."""
        self.guide = self._begin()
        if self.guide is not None and self.given:
            self.guide.leave()
        self.ids: list[int] = []
        self.reason: FinishReason | None = None
        self.exact: tuple[Logits, Any, int] | None = None
        self.marks: deque[Mark] = deque(maxlen=MARKS)
        self._stream = StreamDecoder(self._tokenizer, errors="replace")
        self._stop = Stop(self._stops)

    @property
    def tries(self) -> Trials | None:
        """What is on trial: the first lines, or a bar."""
        if self.trials is None and self.retakes is not None:
            return self.retakes.trials
        return self.trials

    @property
    def drawn(self) -> int:
        """Tokens that have been drawn."""
        return len(self.ids)

    def take(self, token: int) -> str:
        """Go on by a token; the text that is certain now."""
        if self.guide is not None:
            self.guide.advance(token)
        text = ""
        if token != BOUNDARY:
            self.ids.append(token)
            text = self._stop.feed(self._stream.feed(token))
            if self._stop.met:
                self.reason = "stop"
                return text
        if token == BOUNDARY or len(self.ids) == self._max_tokens:
            self.reason = "end" if token == BOUNDARY else "length"
            text += self._stop.feed(self._stream.finish()) + self._stop.finish()
        return text

    def written(self) -> Written:
        """How far it has come, to go back to."""
        assert self.guide is not None  # a free document never goes back
        return Written(self.drawn, self.guide.copy(), self._stream.copy(), copy(self._stop))

    def back(self, start: Start) -> None:
        """Forget what has been drawn since then."""
        written = start.written
        self.guide = written.reached()
        if self.given:
            self.guide.leave()
        else:
            self.guide.close()
        del self.ids[written.drawn :]
        self.reason = None
        if self.exact is not None and self.exact[2] > written.drawn:
            self.exact = None
        self._stream, self._stop = written.stream.copy(), copy(written.stop)

    def keep(self) -> str:
        """The first lines are as they are to be; their text."""
        assert self.trials is not None
        text = "".join(self.trials.now.texts)
        if self.trials.is_last and (guide := self._begin()) is not None:
            for token in self.ids:
                guide.advance(token)
            self.guide = guide
        self.trials, self.chance = None, self._later
        return text
