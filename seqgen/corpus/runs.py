"""The runs of a corpus: which stretches of notes or characters stand in it.

Notes are taken as they are played, repeats and all, by intervals and durations, so that a run is
the same in every key. Characters are taken as they stand.

A run index says which runs of one length a corpus holds without holding the corpus: it is a Bloom
filter (Bloom 1970) of their hashes, so that it knows every one of them, and takes about one in a
hundred others for one of them. Of a large corpus only every ``stride``-th run of a document goes
in: a longer stretch that a text shares with it is then still known by one run in so many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import InputError

if TYPE_CHECKING:
    from seqgen.corpus.documents import Corpus

__all__ = ["LENGTHS", "RunIndex", "build", "described", "joined", "parameters", "runs"]

Hashes = NDArray[np.uint64]

LENGTHS = {"abc": 12, "text": 16}
"""Notes or characters of the runs in an index; of what has none, there is no index."""

MOST_RUNS = 1 << 18  # in an index
MOST_STRIDE = 1 << 6  # of the longest text that has an index
MOST_LENGTH = 1000
MOST_INDEXES = 16  # in a model file
MOST_TUNES = 1 << 22  # characters; the notes of as many as that take some ten seconds
LONGEST_TUNE = 1 << 15  # characters; played, it can be 64 times as long
BITS = 10  # of the filter for each run
PROBES = 7  # bits of a run; ln 2 times BITS is best
BLOCK = 1 << 18  # characters hashed together

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2 ** 64
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))


@dataclass(frozen=True, slots=True, eq=False)
class RunIndex:
    """Which runs a corpus holds.

    Attributes:
        length: notes or characters of a run.
        stride: from one run that is in it to the next of a document.
        bits: the filter, (bytes,) uint8, at least one.
    """

    length: int
    stride: int
    bits: NDArray[np.uint8]

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of some runs are in it, (runs,)."""
        places = _places(hashes, 8 * len(self.bits))
        found = self.bits[places >> 3] >> (7 - (places & 7)).astype(np.uint8) & 1
        return np.asarray(found.all(axis=0))

    def same(self, other: RunIndex) -> bool:
        """Whether both hold the same."""
        alike = (self.length, self.stride) == (other.length, other.stride)
        return alike and np.array_equal(self.bits, other.bits)


def build(corpus: Corpus) -> RunIndex | None:
    """The index of a corpus.

    At most 2 ** 18 runs go in, which take 320 KB: of longer texts every second, third ... run.

    Returns:
        None of MIDI, of more than 16 million characters of text, and of more than 4 million
        characters of tunes. Of a tune of more than 32,768 nothing goes in.
    """
    from seqgen.corpus.documents import LARGE
    from seqgen.corpus.stripping import with_heading

    length = LENGTHS.get(corpus.kind)
    if length is None or corpus.characters > (LARGE if corpus.kind == "text" else MOST_TUNES):
        return None
    if corpus.kind == "text":
        stride = max(1, -(-corpus.characters // MOST_RUNS))
        texts = (document.text for document in corpus.documents)
        every = [found for text in texts for found in _every(text, length, stride)]
    else:
        stride = 1
        texts = (d.text for d in corpus.documents if d.characters <= LONGEST_TUNE)
        every = [runs(with_heading(text), "abc", length) for text in texts]
    known = _unique(every)
    if corpus.kind != "text" and len(known) > MOST_RUNS:  # what is played twice counts once
        stride = -(-sum(map(len, every)) // MOST_RUNS)
        known = _unique([found[::stride] for found in every])
    bits = np.zeros(64 * max(1, -(-BITS * len(known) // 64)), np.bool_)
    bits[_places(known, len(bits))] = True
    return RunIndex(length, stride, np.packbits(bits))


def runs(text: str, kind: str, length: int) -> Hashes:
    """Hashes of all runs of a text or of a tune, the first of each note or character in order.

    Args:
        kind: ``abc`` or ``text``; what is no tune has no runs.
    """
    if kind == "text":
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        return _windows(_mix(points.astype(np.uint64)), length)
    notes = _notes(text)
    if len(notes) < length:
        return np.zeros(0, np.uint64)
    # Of a run's first note only the duration counts: what came before it is no part of it.
    steps = [_hash(notes[at][0] - notes[at - 1][0], notes[at][1]) for at in range(1, len(notes))]
    durations = np.array([_hash(duration) for _, duration in notes], np.uint64)
    rest = _windows(np.array(steps, np.uint64), length - 1)
    return rest + durations[: len(rest)] * _INVERSE


def joined(before: Sequence[RunIndex], last: RunIndex | None) -> tuple[RunIndex, ...]:
    """The indexes of a model that has learnt from one more corpus: of the last sixteen.

    None at all if one of them has none: half an index would call copies new.
    """
    if last is None or not before:
        return ()
    return (*(each for each in before if not each.same(last)), last)[-MOST_INDEXES:]


def described(indexes: Sequence[RunIndex]) -> list[dict[str, int]]:
    """What a model file says of its indexes, beside their bits."""
    return [{"length": each.length, "stride": each.stride} for each in indexes]


def parameters(found: object) -> list[tuple[int, int]]:
    """Length and stride of each index, as described gives them.

    Raises:
        ValueError: it gives no such values.
    """
    known = []
    for each in found if isinstance(found, list) else [found]:
        match each:
            case {"length": int(length), "stride": int(stride), **others} if (
                not others and 2 <= length <= MOST_LENGTH and 1 <= stride <= MOST_STRIDE
            ):
                known.append((length, stride))
            case _:
                raise ValueError("its index of runs is not as seqgen writes it")
    if len(known) > MOST_INDEXES:
        raise ValueError("it has too many indexes of runs")
    return known


def _every(text: str, length: int, stride: int) -> Iterator[Hashes]:
    """Every so manieth run of a text, block by block."""
    size = BLOCK // stride * stride
    for at in range(0, len(text), size):
        yield runs(text[at : at + size + length - 1], "text", length)[::stride]


def _unique(parts: list[Hashes]) -> Hashes:
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)


def _places(hashes: Hashes, size: int) -> NDArray[np.int64]:
    """The bits of each run in a filter of that many, (PROBES, runs).

    Two halves of one hash give them all (Kirsch and Mitzenmacher 2006).
    """
    mixed = _mix(hashes)
    first, second = mixed >> np.uint64(32), mixed & np.uint64(0xFFFFFFFF) | np.uint64(1)
    probes = np.arange(PROBES, dtype=np.uint64)[:, np.newaxis]
    return np.asarray((first + probes * second) % np.uint64(size)).astype(np.int64)


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
