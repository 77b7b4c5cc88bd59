"""Held-out loss: the whole validation part, every token predicted exactly once.

Documents are packed whole into rows; the boundary token each begins with separates them exactly. A
document longer than a row is cut; each part begins with the boundary token and a stretch of what
came before it, which are read but not counted, so that no token is predicted without context.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.tokenization import BOUNDARY

__all__ = ["Score", "ValidationRows"]

IntArray = NDArray[np.int32]
# Token ids and counted positions to the sum of nats over those positions.
LossSum = Callable[[IntArray, IntArray, NDArray[np.float32]], float]

ROWS_AT_ONCE = 32
# Logits of one call, at most: rows times time times vocabulary (128 MB of float32).
MAX_LOGITS = 1 << 25


@dataclass(frozen=True, slots=True)
class Score:
    """How well the held-out documents are predicted, ends of documents included.

    Attributes:
        nats: in all.
        units: characters of the original text, or events of MIDI.
        tokens: predicted.
        unit: ``char`` or ``event``.
    """

    nats: float
    units: int
    tokens: int
    unit: str = "char"

    @property
    def nats_per_unit(self) -> float:
        return self.nats / self.units

    @property
    def bits_per_unit(self) -> float:
        return self.nats_per_unit / math.log(2)


class ValidationRows:
    """Validation documents in rows of equal length.

    Args:
        documents: token ids of each, without boundaries.
        units: characters of all documents' original text, or events; unit: which.
        length: tokens of a row.
        context: tokens of a cut part's uncounted beginning, below ``length``.
        closed: whether a document's end is predicted too (it is the end of a tune, but only of the
            file for a text that was cut in two).
        vocabulary: number of tokens, which bounds how many rows are looked at together.
    """

    def __init__(
        self,
        documents: Sequence[IntArray],
        *,
        units: int,
        unit: str,
        length: int,
        context: int,
        closed: bool,
        vocabulary: int,
    ) -> None:
        self.units, self.unit = units, unit
        pieces: list[tuple[IntArray, IntArray, int]] = []  # ids, targets, uncounted beginning
        for document in documents:
            text = np.concatenate([document, [BOUNDARY] * closed]).astype(np.int32)
            done = 0
            while done < len(text):
                begin = max(0, done - context)
                stop = min(begin + length, len(text))
                part = text[begin:stop]
                pieces.append((np.insert(part[:-1], 0, BOUNDARY), part, done - begin))
                done = stop
        # Best fit, longest first: few rows, little padding. Open rows are kept by what is free.
        pieces.sort(key=lambda piece: -len(piece[0]))
        rows: list[list[tuple[IntArray, IntArray, int]]] = []
        free: list[tuple[int, int]] = []  # (room, row), ascending
        for piece in pieces:
            size = len(piece[0])
            at = bisect.bisect_left(free, (size, 0))
            if at == len(free):
                room, row = length, len(rows)
                rows.append([])
            else:
                room, row = free.pop(at)
            rows[row].append(piece)
            if room > size:
                bisect.insort(free, (room - size, row))
        self.rows_at_once = max(
            1, min(ROWS_AT_ONCE, MAX_LOGITS // (length * vocabulary), len(rows))
        )
        count = math.ceil(len(rows) / self.rows_at_once) * self.rows_at_once
        self.ids = np.full((count, length), BOUNDARY, np.int32)
        self.targets = np.full((count, length), BOUNDARY, np.int32)
        self.counted = np.zeros((count, length), np.float32)
        for i, row_pieces in enumerate(rows):
            at = 0
            for ids, targets, uncounted in row_pieces:
                self.ids[i, at : at + len(ids)] = ids
                self.targets[i, at : at + len(ids)] = targets
                self.counted[i, at + uncounted : at + len(ids)] = 1.0
                at += len(ids)

    @property
    def batches(self) -> int:
        """How many calls of the loss a whole score takes."""
        return len(self.ids) // self.rows_at_once

    def score(self, loss_sum: LossSum, *, batches_at_most: int | None = None) -> Score:
        """The score under a function that sums the loss of some rows; see LossSum.

        Args:
            batches_at_most: look at the first few rows only, to see how long it takes.
        """
        nats = 0.0
        for i in range(batches_at_most or self.batches):
            part = slice(i * self.rows_at_once, (i + 1) * self.rows_at_once)
            nats += loss_sum(self.ids[part], self.targets[part], self.counted[part])
        return Score(nats, self.units, int(self.counted.sum()), self.unit)
