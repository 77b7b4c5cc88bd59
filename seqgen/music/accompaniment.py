"""An accompaniment from chord symbols: bass on strong beats, the chord on the others (4.18)."""

from __future__ import annotations

import re
from bisect import bisect_right

from seqgen.music.score import Meter

__all__ = ["accompany", "chord_pitches"]

_SYMBOL = re.compile(r"\(?([A-G])([#b♯♭]?)([^/\s()]*)(?:/([A-G])([#b♯♭]?))?")
_QUALITY = re.compile(r"(?:maj|min|dim|aug|sus|add|no|[mMo°ø+^#b,0-9()-])*")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "maj": (0, 4, 7), "M": (0, 4, 7), "m": (0, 3, 7), "min": (0, 3, 7),
    "-": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "min7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11), "M7": (0, 4, 7, 11), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9),
    "dim": (0, 3, 6), "o": (0, 3, 6), "dim7": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10),
    "aug": (0, 4, 8), "+": (0, 4, 8), "aug7": (0, 4, 8, 10), "sus": (0, 5, 7), "sus4": (0, 5, 7),
    "sus2": (0, 2, 7), "sus9": (0, 2, 7), "7sus4": (0, 5, 7, 10), "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14), "5": (0, 7), "11": (0, 4, 7, 10, 14, 17),
}  # fmt: skip
_VELOCITY = 60


def chord_pitches(symbol: str) -> tuple[int, tuple[int, ...]] | None:
    """A chord symbol's bass note and chord as MIDI note numbers.

    None if it names no chord (many are words). A quality that is not known counts as major, or as
    minor if it begins with one ``m``.
    """
    match = _SYMBOL.match(symbol.strip())
    if not match:
        return None
    root = (_SEMITONES[match[1]] + _SIGNS[match[2]]) % 12
    quality = match[3]
    intervals = _QUALITIES.get(quality)
    if intervals is None:
        if not _QUALITY.fullmatch(quality):
            return None
        minor = quality.startswith("m") and not quality.startswith("maj")
        intervals = (0, 3, 7) if minor else (0, 4, 7)
    bass = (_SEMITONES[match[4]] + _SIGNS[match[5]]) % 12 if match[4] else root
    # The bass from E2 up, the chord from G3 up, where they lie under a melody.
    low = 40 + (bass - 40) % 12
    return low, tuple(sorted(55 + (root + interval - 55) % 12 for interval in intervals))


def accompany(
    symbols: list[tuple[int, str]],
    bars: list[tuple[int, int, Meter]],
    divisions: int,
) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int, int, int]]]:
    """Chords and bass notes for a tune.

    Args:
        symbols: (onset, chord symbol), in order; a chord holds until the next.
        bars: (onset, end, metre) of each bar as played.
        divisions: of a whole note, the unit of all times.

    Returns:
        The chords' notes and the bass notes, each (onset, duration, pitch, velocity).
    """
    chords = [(onset, found) for onset, text in symbols if (found := chord_pitches(text))]
    if not chords:
        return [], []
    onsets = [onset for onset, _ in chords]
    notes: list[tuple[int, int, int, int]] = []
    bass: list[tuple[int, int, int, int]] = []
    for start, stop, meter in bars:
        beat = divisions * 3 // 8 if meter.compound else divisions // (4 if meter.unit > 2 else 2)
        strong = 3 if sum(meter.beats) == 3 else 2
        for number, onset in enumerate(range(start, stop, beat)):
            index = bisect_right(onsets, onset) - 1
            if index < 0:
                continue
            low, chord = chords[index][1]
            length = min(beat, stop - onset)
            if meter.compound:
                bass.append((onset, length * 2 // 3, low, _VELOCITY + 6))
                late = onset + length * 2 // 3
                notes += [(late, length - length * 2 // 3, pitch, _VELOCITY) for pitch in chord]
            elif number % strong == 0:
                bass.append((onset, length, low, _VELOCITY + 6))
            else:
                notes += [(onset, length, pitch, _VELOCITY) for pitch in chord]
    return notes, bass
