"""The order of the data: batches as a pure function of (seed, step).

The documents of an epoch, shuffled and joined end to end, form a ring; each document brings the
boundary token it begins with, so wherever a window is cut, no document runs into the next unmarked.
A long document is cut into chapters, at other places each epoch, and each chapter begins with the
boundary token too: otherwise a network that learns from one book would meet a fresh state once an
epoch, and could do nothing with it. What follows a chapter's last token is still the text's next
token, so only a document's true end is learnt as an end.

The ring is turned by a random amount each epoch, so that windows are cut at other places, and read
in one of two ways:

    carried     lane i of the batch reads on where it stopped in the step before, so a recurrent
                state can be carried over (truncated backpropagation through time)
    shuffled    windows are taken in random order

Documents may read otherwise in each epoch, as tunes do that are moved to other keys. An epoch has
as many steps all the same, or a step would not know its epoch: the ring goes round a little
further, or not quite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.tokenization import BOUNDARY
from seqgen.tokenization.encoded import Encoded

__all__ = ["Batch", "Batches"]

IntArray = NDArray[np.int32]

CHAPTER_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Batch:
    """What one update learns from.

    Attributes:
        ids: input tokens, (batch, time) int32.
        targets: the token after each, (batch, time) int32.
        fresh: whether a carried state must start at zero.
    """

    ids: IntArray
    targets: IntArray
    fresh: bool


class Batches:
    """All batches of a run.

    Args:
        documents: token ids of each document, without boundaries.
        batch_size, seq_length: shape of a batch.
        seed: decides the order.
        carried: see the module.
        variants: the documents as they read in an epoch, counted from 0; None: always as given.
    """

    def __init__(
        self,
        documents: Sequence[IntArray],
        *,
        batch_size: int,
        seq_length: int,
        seed: int,
        carried: bool,
        variants: Callable[[int], Sequence[IntArray]] | None = None,
    ) -> None:
        self._lay_out(documents)
        self._variants = variants
        self.batch_size, self.seq_length = batch_size, seq_length
        self.seed, self.carried = seed, carried
        self.tokens = self._tokens.tokens + len(documents)
        self.steps_per_epoch = max(1, self.tokens // (batch_size * seq_length))
        self._epoch = -1

    def __getitem__(self, step: int) -> Batch:
        """The batch of update ``step``, counted from 0."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._enter(epoch)
        lanes = np.arange(self.batch_size)
        if self.carried:
            window = lanes * self.steps_per_epoch + within
        else:
            window = self._windows[within * self.batch_size + lanes]
        first = self._turn + window * self.seq_length
        ids, targets = self._read(first[:, None] + np.arange(self.seq_length))
        return Batch(ids, targets, fresh=within == 0 or not self.carried)

    def _lay_out(self, documents: Sequence[IntArray]) -> None:
        self._tokens = documents if isinstance(documents, Encoded) else Encoded.join(documents)
        self._document_ends = self._tokens.ends

    def _enter(self, epoch: int) -> None:
        if self._variants is not None:
            self._lay_out(self._variants(epoch))
        rng = np.random.default_rng([self.seed, 1, epoch])
        phase = int(rng.integers(CHAPTER_TOKENS))
        starts: list[int] = []
        ends: list[int] = []
        document_start = 0
        for document_end in self._document_ends.tolist():
            cuts: list[int] = []
            if document_end - document_start > CHAPTER_TOKENS:
                first = document_start + CHAPTER_TOKENS - phase
                cuts = list(range(first, document_end, CHAPTER_TOKENS))
            starts += [document_start, *cuts]
            ends += [*cuts, document_end]
            document_start = document_end
        order = rng.permutation(len(starts))
        self._starts = np.array(starts)[order]
        self._lengths = np.array(ends)[order] - self._starts + 1  # with the boundary
        self._ring = np.cumsum(self._lengths)
        self._turn = int(rng.integers(self._ring[-1]))
        self._windows = rng.permutation(self.steps_per_epoch * self.batch_size)
        self._epoch = epoch

    def _read(self, positions: NDArray[np.int64]) -> tuple[IntArray, IntArray]:
        positions = positions % self._ring[-1]
        chapter = np.searchsorted(self._ring, positions, side="right")
        offset = positions - (self._ring[chapter] - self._lengths[chapter])
        following = self._starts[chapter] + offset
        ids = self._tokens.take(np.maximum(following - 1, 0))
        targets = self._tokens.take(np.minimum(following, self._tokens.tokens - 1))
        # A document's last token stands where a chapter ends and its document does too.
        ends = self._document_ends[np.searchsorted(self._document_ends, following)]
        last = (offset == self._lengths[chapter] - 1) & (ends == following)
        return (
            np.where(offset == 0, np.int32(BOUNDARY), ids),
            np.where(last, np.int32(BOUNDARY), targets),
        )
