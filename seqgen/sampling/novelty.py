"""Whether a sample copies what the model has learnt from.

A tune copies if it shares more than so many successive notes with a tune of the corpus, whatever
their key: intervals and durations count, repeats played. A text copies if it shares more than so
many successive characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import InputError, UsageError

__all__ = ["Novelty"]

Hashes = NDArray[np.uint64]

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2 ** 64
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))


class Novelty:
    """A corpus, as hashes of its stretches that are one longer than may be shared.

    Args:
        texts: the corpus's documents.
        kind: ``abc`` or ``text``.
        longest: notes or characters that a sample may share with it.
    Raises:
        UsageError: the kind is neither.
    """

    def __init__(self, texts: Iterable[str], kind: str, longest: int) -> None:
        if kind not in ("abc", "text"):
            raise UsageError("--novel compares tunes in ABC or text; this model writes MIDI")
        self.longest = longest
        self._kind = kind
        parts = [self._stretches(text) for text in texts]
        self._known = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)

    def copies(self, text: str) -> bool:
        """Whether a text shares more with the corpus than it may."""
        found = self._stretches(text)
        if not len(found) or not len(self._known):
            return False
        places = np.searchsorted(self._known, found).clip(max=len(self._known) - 1)
        return bool((self._known[places] == found).any())

    def _stretches(self, text: str) -> Hashes:
        length = self.longest + 1
        if self._kind == "text":
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
            return _windows(_mix(points.astype(np.uint64)), length)
        notes = _notes(text)
        if len(notes) < length:
            return np.zeros(0, np.uint64)
        # Of a stretch's first note only the duration counts: what came before it is no part of it.
        steps = [
            _hash(notes[at][0] - notes[at - 1][0], notes[at][1]) for at in range(1, len(notes))
        ]
        durations = np.array([_hash(duration) for _, duration in notes], np.uint64)
        rest = _windows(np.array(steps, np.uint64), length - 1)
        return rest + durations[: len(rest)] * _INVERSE


def _notes(text: str) -> list[tuple[int, object]]:
    """Pitch and duration in whole notes of a tune's notes, as played; none if it is no tune."""
    from fractions import Fraction

    from seqgen.music.abc.parser import parse_tune
    from seqgen.music.performance import perform

    try:
        performance = perform(parse_tune(text))
    except InputError:
        return []
    notes = [note for track in performance.tracks for note in track.notes]
    notes.sort(key=lambda note: (note.onset, note.pitch))
    return [(note.pitch, Fraction(note.duration, performance.divisions)) for note in notes]


@lru_cache(maxsize=1 << 16)
def _hash(*values: object) -> int:
    # Python's own hashes of numbers are the same in every process, but too even to be added up.
    digest = hashlib.blake2b(repr(values).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mix(values: Hashes) -> Hashes:
    """Spread small numbers over 64 bits (the finaliser of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9) + _BASE
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _windows(values: Hashes, length: int) -> Hashes:
    """Hashes of all windows of that length: the sum of value k times base ** k, modulo 2 ** 64."""
    if len(values) < length:
        return np.zeros(0, np.uint64)
    powers = np.full(len(values), _BASE, np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    sums = np.concatenate([np.zeros(1, np.uint64), np.add.accumulate(values * powers)])
    back = np.full(len(values) - length + 1, _INVERSE, np.uint64)
    back[0] = 1
    return np.asarray((sums[length:] - sums[:-length]) * np.multiply.accumulate(back))
