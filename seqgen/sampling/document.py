"""One document while it is drawn, and the prompt that it goes on from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.sampling.chance import Chance
from seqgen.sampling.guide import Guide
from seqgen.sampling.penalties import Penalties
from seqgen.sampling.stop import Stop
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer

__all__ = ["MARKS", "Document", "Ending", "FinishReason", "Logits", "Mark", "Opening"]

MARKS = 33
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


class Document:
    """What is drawn.

    Attributes:
        place: of its key.
        ids: what has been drawn.
        reason: why no other token will be; None as long as one will.
        opening: what it goes on from.
        exact: the logits and the state in float64, and how many of the ids they have seen; None
            until they are asked for.
        marks: the last of its states, the latest last.
    """

    __slots__ = (
        "_max_tokens", "_stop", "_stream", "chance", "exact", "guide", "ids", "marks", "opening",
        "place", "reason",
    )  # fmt: skip

    def __init__(
        self,
        place: int,
        chance: Chance,
        guide: Guide | None,
        opening: Opening,
        tokenizer: Tokenizer,
        config: SamplingConfig,
    ) -> None:
        self.place, self.chance, self.guide, self.opening = place, chance, guide, opening
        self.ids: list[int] = []
        self.reason: FinishReason | None = None
        self.exact: tuple[Logits, Any, int] | None = None
        self.marks: deque[Mark] = deque(maxlen=MARKS)
        self._stream = StreamDecoder(tokenizer, errors="replace")
        self._stop = Stop(config.stop)
        self._max_tokens = config.max_tokens

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
