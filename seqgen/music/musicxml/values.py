"""What ABC's values are called in MusicXML."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "ACCIDENTALS",
    "ARTICULATIONS",
    "BAR_STYLES",
    "CLEFS",
    "DYNAMICS",
    "MODES",
    "ORNAMENTS",
    "TECHNICAL",
    "WORDS",
    "Harmony",
    "Written",
    "parse_harmony",
    "written_values",
]

ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
MODES = {
    "maj": "major", "min": "minor", "dor": "dorian", "phr": "phrygian", "lyd": "lydian",
    "mix": "mixolydian", "loc": "locrian",
}  # fmt: skip
BAR_STYLES = {
    "double": "light-light", "final": "light-heavy", "start": "heavy-light", "dotted": "dotted",
    "invisible": "none",
}  # fmt: skip
# Sign and line by the clef's name without its octave.
CLEFS = {
    "": ("G", 2), "treble": ("G", 2), "bass": ("F", 4), "alto": ("C", 3), "tenor": ("C", 4),
    "soprano": ("C", 1), "mezzosoprano": ("C", 2), "mezzo": ("C", 2), "baritone": ("F", 3),
    "perc": ("percussion", 2), "none": ("none", 2), "G": ("G", 2), "F": ("F", 4), "C": ("C", 3),
}  # fmt: skip

ARTICULATIONS = {
    "staccato": "staccato", "tenuto": "tenuto", "accent": "accent", ">": "accent",
    "emphasis": "accent", "marcato": "strong-accent", "^": "strong-accent",
    "wedge": "staccatissimo", "breath": "breath-mark",
}  # fmt: skip
ORNAMENTS = {
    "trill": "trill-mark", "roll": "turn", "turn": "turn", "turnx": "turn",
    "invertedturn": "inverted-turn", "invertedturnx": "inverted-turn", "mordent": "mordent",
    "lowermordent": "mordent", "uppermordent": "inverted-mordent",
    "pralltriller": "inverted-mordent",
}  # fmt: skip
TECHNICAL = {
    "upbow": "up-bow", "downbow": "down-bow", "open": "open-string", "thumb": "thumb-position",
    "snap": "snap-pizzicato", "plus": "stopped", "+": "stopped",
}  # fmt: skip
DYNAMICS = frozenset(
    {"pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff", "fp", "sf", "sfz"}
)
WORDS = {
    "D.C.": "D.C.", "D.S.": "D.S.", "dacapo": "D.C.", "dacoda": "To Coda", "fine": "Fine",
    "Fine": "Fine", "D.C.alcoda": "D.C. al Coda", "D.C.alfine": "D.C. al Fine",
    "D.S.alcoda": "D.S. al Coda", "D.S.alfine": "D.S. al Fine",
}  # fmt: skip

_TYPES = {
    Fraction(8): "maxima", Fraction(4): "long", Fraction(2): "breve", Fraction(1): "whole",
    Fraction(1, 2): "half", Fraction(1, 4): "quarter", Fraction(1, 8): "eighth",
    Fraction(1, 16): "16th", Fraction(1, 32): "32nd", Fraction(1, 64): "64th",
    Fraction(1, 128): "128th", Fraction(1, 256): "256th", Fraction(1, 512): "512th",
    Fraction(1, 1024): "1024th",
}  # fmt: skip
_FLAGS = {name: max(0, exponent) for exponent, name in enumerate(_TYPES.values(), -5)}
_DOTTED = sorted(
    ((base * (2 - Fraction(1, 1 << dots)), name, dots)
     for base, name in _TYPES.items() for dots in range(3)),
    reverse=True,
)  # fmt: skip


class Written(NamedTuple):
    """A note value as it is drawn.

    Args:
        duration: of a whole note; name: its ``<type>``, ``""`` if no value lasts so long.
        dots: how many; flags: or beams, 0 for a quarter and longer.
    """

    duration: Fraction
    name: str
    dots: int
    flags: int


@lru_cache(maxsize=1024)
def written_values(duration: Fraction) -> tuple[Written, ...]:
    """The fewest note values, tied together, that last ``duration``, longest first."""
    values: list[Written] = []
    rest = duration
    for length, name, dots in _DOTTED:
        while length <= rest and len(values) < 64:
            values.append(Written(length, name, dots, _FLAGS[name]))
            rest -= length
        if rest == 0:
            return tuple(values)
    return (Written(duration, "", 0, 0),)


class Harmony(NamedTuple):
    """A chord symbol: roots as letter and semitones, MusicXML's name of its kind, its own text."""

    root: tuple[str, int]
    kind: str
    text: str
    bass: tuple[str, int] | None


_HARMONY = re.compile(r"\(?([A-G])([#b♯♭]?)([^/]*?)(?:/([A-Ga-g])([#b♯♭]?))?\)?")
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_KINDS = {
    "": "major", "maj": "major", "M": "major", "m": "minor", "min": "minor", "-": "minor",
    "7": "dominant", "maj7": "major-seventh", "M7": "major-seventh", "m7": "minor-seventh",
    "min7": "minor-seventh", "6": "major-sixth", "m6": "minor-sixth", "9": "dominant-ninth",
    "maj9": "major-ninth", "m9": "minor-ninth", "11": "dominant-11th", "13": "dominant-13th",
    "dim": "diminished", "o": "diminished", "°": "diminished", "dim7": "diminished-seventh",
    "o7": "diminished-seventh", "°7": "diminished-seventh", "m7b5": "half-diminished",
    "ø": "half-diminished", "aug": "augmented", "+": "augmented", "aug7": "augmented-seventh",
    "sus": "suspended-fourth", "sus4": "suspended-fourth", "sus2": "suspended-second",
    "5": "power", "mM7": "major-minor",
}  # fmt: skip


def parse_harmony(text: str) -> Harmony | None:
    """A chord symbol, or None if the text names no chord that MusicXML knows."""
    match = _HARMONY.fullmatch(text)
    if match is None or match[3] not in _KINDS:
        return None
    bass = (match[4].upper(), _SIGNS[match[5]]) if match[4] else None
    return Harmony((match[1], _SIGNS[match[2]]), _KINDS[match[3]], match[3], bass)
