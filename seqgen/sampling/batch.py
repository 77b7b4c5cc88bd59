"""Documents that are drawn together, one a row of the network's batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqgen.models.decoders import Decoder
from seqgen.sampling.document import Document, Logits, Mark
from seqgen.sampling.exact import STRIDE
from seqgen.sampling.penalties import ALL, Penalties, Rows
from seqgen.sampling.retakes import Start

__all__ = ["Batch"]

_CROWDED = 0.75  # share of a batch's rows that are drawn, below which the others are dropped


class Batch:
    """The rows of a network's batch, which documents take and leave.

    Args:
        decoder: the network.
        documents: that begin; there are some.
        penalties: of as many sequences.
        marks: whether the documents are to remember states on the way.
        last: whether no other document will go on from an opening of these.
    Attributes:
        documents: that are drawn, in the order of their rows.
        rows: of them, (documents,); or all.
        penalties: of all rows.
    """

    def __init__(
        self,
        decoder: Decoder,
        documents: Sequence[Document],
        penalties: Penalties,
        *,
        marks: bool,
        last: bool,
    ) -> None:
        self._decoder, self.penalties, self._marks = decoder, penalties, marks
        self._places: list[Document | None] = [*documents]
        self._steps = 0
        first = documents[0].opening
        if last:
            self._logits, self._state = first.logits, first.state
        else:
            self._logits = np.repeat(first.logits, len(documents), 0)
            self._state = decoder.keep(first.state, np.zeros(len(documents), np.intp))
        for row, document in enumerate(documents):
            penalties.renew(row, document.opening.penalties)
            if document.opening is not first:
                self._put(row, document)
        self._count()

    @property
    def logits(self) -> Logits:
        """Of the next token of each document, (documents, vocabulary)."""
        return self._logits if self.rows is ALL else np.asarray(self._logits[self.rows])

    def step(self, tokens: Sequence[int]) -> None:
        """Go on by the next token of each document."""
        self._ids[self.rows] = tokens
        self.penalties.add(self._ids)
        self._logits, self._state = self._decoder.step(self._ids, self._state)
        self._steps += 1
        if self._marks and self._steps % STRIDE == 0:
            kept = self._decoder.keep(self._state, np.arange(len(self._places), dtype=np.int32))
            for row, document in enumerate(self._places):
                if document is not None:
                    document.marks.append(Mark(document.drawn, kept, row))

    def replace(self, beginning: Sequence[Document]) -> None:
        """Let others begin in the rows of those that have ended, which are no fewer.

        Where too few rows are drawn then, the others are dropped. One document is left at least.
        """
        waiting = iter(beginning)
        for row, document in enumerate(self._places):
            if document is not None and document.reason is not None:
                self._places[row] = new = next(waiting, None)
                if new is not None:
                    self._put(row, new)
                    self.penalties.renew(row, new.opening.penalties)
        self._count()
        if len(self.documents) <= _CROWDED * len(self._places):
            left = np.array([row for row, each in enumerate(self._places) if each is not None])
            self._places = [*self.documents]
            self._state = self._decoder.keep(self._state, left)
            self.penalties.keep(left)
            self._logits = self._logits[left]
            self._count()

    def restart(self, documents: Sequence[Document]) -> None:
        """Let some of those that are drawn begin again."""
        for row, document in enumerate(self._places):
            if document is not None and document in documents:
                document.marks.clear()  # of what is forgotten
                self._put(row, document)
                self.penalties.renew(row, document.opening.penalties)

    def note(self, back: Sequence[Document]) -> None:
        """Let some documents go back to where their bars begin, and note where others' do."""
        for row, document in enumerate(self._places):
            if document is None or document.retakes is None:
                continue
            retakes = document.retakes
            if retakes.wanted:
                noted = self._decoder.note(self._state, row)
                written, logits = document.written(), self._logits[row].copy()
                retakes.start = Start(written, logits, noted, self.penalties.of(row))
                retakes.wanted = False
            elif retakes.start is not None and document in back:
                self._go_back(row, document, retakes.start)

    def _go_back(self, row: int, document: Document, start: Start) -> None:
        # Those of what is forgotten, and of what the row has just been given to read in its place.
        while document.marks and document.marks[-1].drawn >= start.written.drawn:
            document.marks.pop()
        if start.state is None and not self._decoder.back(self._state, row, start.noted):
            ids = np.concatenate([document.opening.ids, document.ids]).astype(np.int32)
            _, start.state = self._decoder.prefill(ids[None], self._decoder.start(1))
        if start.state is not None:
            self._decoder.put(self._state, row, start.state)
        self._logits[row] = start.logits
        self.penalties.renew(row, start.penalties)

    def _put(self, row: int, document: Document) -> None:
        self._decoder.put(self._state, row, document.opening.state)
        self._logits[row] = document.opening.logits[0]

    def _count(self) -> None:
        drawn = [(row, each) for row, each in enumerate(self._places) if each is not None]
        self.documents = [document for _, document in drawn]
        self.rows: Rows = ALL  # views cost less than what rows are picked from
        if len(drawn) < len(self._places):
            self.rows = np.array([row for row, _ in drawn])
        self._ids = np.zeros(len(self._places), np.int32)  # what stands in the others is forgotten
