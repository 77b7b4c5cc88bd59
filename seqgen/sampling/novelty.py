"""Whether a sample copies what the model has learnt from.

A tune copies if it shares more than so many successive notes with a tune of the corpus, whatever
their key: intervals and durations count, repeats played. A text copies if it shares more than so
many successive characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from seqgen.checkpoint import Checkpoint
from seqgen.corpus.runs import LENGTHS, RunIndex, runs
from seqgen.errors import UsageError

__all__ = ["USUAL", "Indexed", "Novelty", "copying"]

USUAL = {"abc": 32, "text": 30}
"""Notes or characters that may be shared where nothing else is said; docs/sampling.md says why."""

# So many runs of the index must follow each other in a sample: each alone is known by mistake once
# in a hundred times.
LEAST_RUNS = 3


class Novelty:
    """A corpus itself, as hashes of its stretches that are one longer than may be shared.

    Args:
        texts: the corpus's documents.
        kind: ``abc`` or ``text``.
        longest: notes or characters that a sample may share with it.
    Raises:
        UsageError: the kind is neither.
    """

    def __init__(self, texts: Iterable[str], kind: str, longest: int) -> None:
        _require_comparable(kind)
        self._kind, self._length = kind, longest + 1
        parts = [runs(text, kind, self._length) for text in texts]
        self._known = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)

    def copies(self, text: str) -> bool:
        """Whether a text shares more with the corpus than it may."""
        found = runs(text, self._kind, self._length)
        if not len(found) or not len(self._known):
            return False
        places = np.searchsorted(self._known, found).clip(max=len(self._known) - 1)
        return bool((self._known[places] == found).any())


class Indexed:
    """What a model file knows of the corpora that its model has learnt from.

    What shares more than it may is always known. What does not may be taken for a copy where the
    index holds every run of a stretch though no document holds the whole stretch, where it holds
    every ``stride``-th run only and the stretch is less than ``2 * stride`` shorter than that, or,
    of a thousand tunes or texts, about once by chance.

    Args:
        indexes: of the corpora.
        kind: ``abc`` or ``text``.
        longest: notes or characters that a sample may share with them; None is as many as is usual,
            or as the indexes can tell if that is more.
    Raises:
        UsageError: the kind is neither, or there is no index, or it can't tell so few.
    """

    def __init__(self, indexes: Sequence[RunIndex], kind: str, longest: int | None) -> None:
        _require_comparable(kind)
        if not indexes:
            raise UsageError(
                "this model file has no index of what the model has learnt from, which --novel "
                "compares with; name that with --corpus FILE"
            )
        least = max(each.length - 2 + LEAST_RUNS * each.stride for each in indexes)
        self.longest = max(USUAL[kind], least) if longest is None else longest
        if self.longest < least:
            raise UsageError(
                f"the index in this model file tells what shares more than {least} "
                f"{'notes' if kind == 'abc' else 'characters'}, or any number from there; for "
                f"{self.longest} name what the model has learnt from with --corpus FILE"
            )
        self._indexes, self._kind = indexes, kind

    def copies(self, text: str) -> bool:
        """Whether a text shares more with the corpora than it may."""
        return any(self._shares(each, text) for each in self._indexes)

    def _shares(self, index: RunIndex, text: str) -> bool:
        known = index.holds(runs(text, self._kind, index.length))
        # Of the runs of a stretch that is one longer than may be, at least so many are in the
        # index, and they stand one stride from each other.
        count = (self.longest + 2 - index.length) // index.stride
        ends = len(known) - (count - 1) * index.stride
        if ends <= 0:
            return False
        following = (known[at * index.stride :][:ends] for at in range(count))
        return bool(np.logical_and.reduce(list(following)).any())


def copying(
    longest: int | None, corpus: Sequence[str] | None, saved: Checkpoint
) -> Callable[[str], bool]:
    """What tells copies of what a model has learnt from, or of another corpus.

    Args:
        longest: notes or characters that may be shared; None is as many as is usual.
        corpus: names of files or collections, instead of what the model has learnt from.
    Raises:
        UsageError: ``longest`` is too short, the corpus is of another kind, or the model file has
            no index that tells this.
        InputError: the corpus can't be read.
    """
    if longest is not None and longest < 1:
        raise UsageError("--max-shared must be 1 or more")
    kind = saved.card.kind
    if not corpus:
        return Indexed(saved.index, kind, longest).copies
    from seqgen.corpus import readers

    found = readers.load(list(corpus))
    if found.kind != kind:
        raise UsageError(f"--corpus holds {found.kind}, and the model writes {kind}")
    texts = ("".join(document.blocks()) for document in found.documents)
    return Novelty(texts, kind, longest or USUAL.get(kind, 1)).copies


def _require_comparable(kind: str) -> None:
    if kind not in LENGTHS:
        raise UsageError("--novel compares tunes in ABC or text; this model writes MIDI")
