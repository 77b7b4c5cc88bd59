"""The last bar of a section, drawn again where it does not complete the upbeat.

A section that begins with an upbeat ends with a bar that is so much shorter: together they make one
when it is played again. Nearly all tunes keep to it, but a model loses count of an upbeat that came
some eight bars ago, and the grammar, which reads one token after the other, learns that a bar was
the last one only from the line behind it. So bars of such a section are held back until their line
has come. Where the section ends with a full bar that one is drawn again, on the condition that it
ends the section and completes the upbeat, until such a one comes (rejection sampling; von Neumann
1951). If none does, the first stays, which is valid too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqgen.sampling.guide import Bar, Guide
from seqgen.tokenization import BOUNDARY

if TYPE_CHECKING:
    from seqgen.sampling.document import Document, Written

__all__ = ["MOST", "Retakes", "Start"]

MOST = 16
"""Times that a bar is drawn again."""


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
    """

    __slots__ = ("_after", "_first", "_held", "_notes", "_times", "start", "wanted")

    def __init__(self) -> None:
        self.start: Start | None = None
        self.wanted = False
        self._held: list[str] = []
        self._notes: list[tuple[int, float]] = []
        self._times = 0
        # What was drawn first, and where it led to.
        self._first: list[int] = []
        self._after: Guide | None = None

    def note(self, token: int, removed: float) -> bool:
        """Keep what is to be told of a token until it is sure to stay; False if it is."""
        if self.start is not None:
            self._notes.append((token, removed))
        return self.start is not None

    def take(self, document: Document, text: str) -> str | None:
        """Judge a document after a token.

        Args:
            text: that became certain by it.
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
        if self._after is not None and self._times > MOST:
            if document.given:
                return ""
            document.guide = self._after
            return self._go_on(more=False)
        if guide.bar is Bar.NONE or (guide.bar is Bar.PAST and not self._times):
            return ""
        if guide.bar is Bar.UNEVEN or (guide.bar in (Bar.ENDED, Bar.PAST) and self._times):
            if not self._times:
                self._first = document.ids[self.start.written.drawn :]
                self._first += [BOUNDARY] if document.reason == "end" else []
                self._after = guide
            self._times += 1
            self._held.clear()
            self._notes.clear()
            return None
        return self._go_on(more=guide.bar is Bar.ENDED and document.reason is None)

    def given(self) -> deque[int]:
        """The tokens that are to come whatever is drawn: those of the first time, in the end."""
        return deque(self._first if self._times > MOST else ())

    def told(self) -> list[tuple[int, float]]:
        """What was noted of tokens that are sure to stay now."""
        notes: list[tuple[int, float]] = []
        if self.start is None:
            notes, self._notes = self._notes, notes
        return notes

    def _go_on(self, *, more: bool) -> str:
        text = "".join(self._held)
        self._held.clear()
        self.start, self.wanted, self._times, self._after = None, more, 0, None
        return text
