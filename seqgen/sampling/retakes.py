"""The last bar of a section, drawn again where it does not complete the upbeat.

A section that begins with an upbeat ends with a bar that is so much shorter: together they make one
when it is played again. Nearly all tunes keep to it, but a model loses count of an upbeat that came
some eight bars ago, and the grammar, which reads one token after the other, learns that a bar was
the last one only from the line behind it. So bars of such a section are held back until their line
has come. Where the section ends with a full bar that one is drawn again, on the condition that it
completes the upbeat and ends the section, as first lines are drawn on trial (see ``trials``): what
takes time loses its probability once the bar is long enough, and such a bar is kept with the
probability that is left, or one of some of them is taken in the end. If all of them become too
long, or the model has learnt to end otherwise, the first stays, which is valid too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqgen.sampling.guide import Bar, Guide
from seqgen.sampling.trials import Trial, Trials
from seqgen.tokenization import BOUNDARY

if TYPE_CHECKING:
    from seqgen.sampling.document import Document, Written

__all__ = ["MOST", "Retakes", "Start"]

MOST = 4
"""Trials of a bar."""

LEAST = 1e-3
"""Probability that a model leaves to such a bar; one that leaves less has not learnt to end so."""


@dataclass(slots=True)
class Start:
    """A document where a bar begins.

    Attributes:
        written: what it had written.
        logits: of its next token, (vocabulary,).
        noted: by the decoder; state: of one row, once that is not enough.
        penalties: of one row.
    """

    written: Written
    logits: NDArray[np.floating]
    noted: Any
    penalties: Any
    state: Any = None


class Retakes:
    """Those of one document.

    Attributes:
        start: of the bar that is held back; None while text goes out as it comes.
        wanted: whether the next token begins a bar that is to be held back.
        trials: of that bar; None while it is drawn for the first time.
    """

    __slots__ = ("_after", "_first", "_held", "_notes", "_taken", "start", "trials", "wanted")

    def __init__(self) -> None:
        self.start: Start | None = None
        self.wanted = False
        self.trials: Trials | None = None
        self._held: list[str] = []
        self._notes: list[tuple[int, float]] = []
        # What was drawn first, and where it led to.
        self._first: list[int] = []
        self._after: Guide | None = None
        self._taken = False  # whether what is to come now is known

    def note(self, token: int, removed: float) -> bool:
        """Keep what is to be told of a token until it is sure to stay; False if it is."""
        if self.start is not None:
            self._notes.append((token, removed))
        return self.start is not None

    def told(self) -> list[tuple[int, float]]:
        """What was noted of tokens that are sure to stay now."""
        notes: list[tuple[int, float]] = []
        if self.start is None:
            notes, self._notes = self._notes, notes
        return notes

    def take(
        self, document: Document, text: str, exactly: Callable[[Trial], float] | None
    ) -> str | None:
        """Judge a document after a token.

        Args:
            text: that became certain by it.
            exactly: see Trials.keeps.
        Returns:
            What may go out now; None where the document is to go back to ``start``.
        """
        guide = document.guide
        assert guide is not None  # free documents have no retakes
        if self.start is None:
            self.wanted = guide.bar is Bar.ENDED and document.reason is None
            return text
        self._held.append(text)
        if document.reason in ("stop", "length"):
            return self._go_on(more=False)
        if self.trials is not None:
            return self._tried(document, guide, self.start, self.trials, exactly)
        if guide.bar is Bar.UNEVEN and self.start.written.guide.may_close:
            self._first, self._after = self._written(document, self.start), guide
            self.trials = Trials(MOST, LEAST)
            self._go_back()
            return None
        if guide.bar is Bar.NONE or guide.bar is Bar.PAST:
            return ""
        return self._go_on(more=guide.bar is Bar.ENDED and document.reason is None)

    def _tried(
        self,
        document: Document,
        guide: Guide,
        start: Start,
        trials: Trials,
        exactly: Callable[[Trial], float] | None,
    ) -> str | None:
        if self._taken:
            if document.given:
                return ""
            document.guide = self._after
            if document.guide is None:
                guide = start.written.reached()
                for token in self._written(document, start):
                    guide.advance(token)
                document.guide = guide
            return self._go_on(more=False)
        if guide.bar is not Bar.COMPLETE:
            trials.now.lost = guide.bar is not Bar.NONE or not guide.allowed.any()
            if not trials.now.lost:
                return ""
        chance = document.chance
        if trials.keeps(chance.use(), exactly):
            return self._go_on(more=False)
        document.given.extend(trials.resample(chance.use(), exactly))
        if trials.is_last:
            self._taken = True
            if document.given:
                self._after = None
            else:
                document.given.extend(self._first)
        self._go_back()
        return None

    @staticmethod
    def _written(document: Document, start: Start) -> list[int]:
        ids = document.ids[start.written.drawn :]
        return [*ids, BOUNDARY] if document.reason == "end" else ids

    def _go_back(self) -> None:
        self._held.clear()
        self._notes.clear()

    def _go_on(self, *, more: bool) -> str:
        text = "".join(self._held)
        self._held.clear()
        self.start, self.wanted, self.trials, self._taken = None, more, None, False
        return text
