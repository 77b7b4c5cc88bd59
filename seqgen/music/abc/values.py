"""What a pitch, a length and a tuplet mark mean, from their text alone."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import TypeAlias

from seqgen.music.abc.notation import ACCIDENTALS, TUPLET_TIMES
from seqgen.music.signs import Tuplet

__all__ = [
    "MAX_TUPLET",
    "Steps",
    "in_steps",
    "measured",
    "parse_length",
    "parse_note",
    "parse_tuplet",
    "ratio",
    "shortened",
]

Steps: TypeAlias = int | Fraction
"""A duration in steps so small that nearly each is a whole number of them: bars sum as integers,
which is many times as quick as with fractions."""

_STEPS = 2**14 * 3**2 * 5 * 7  # of a whole note

_MAX_DENOMINATOR = 1024
_MAX_UNITS = 9999
MAX_TUPLET = 64


def parse_length(text: str) -> Fraction:
    """A length after a note, in unit note lengths: ``3/2``, ``/``, ``//`` (4.3).

    Raises:
        ValueError: with a sentence, if it is zero or out of bounds.
    """
    numerator, slash, denominator = text.partition("/")
    if len(numerator) > 4 or len(denominator) > 10:
        raise ValueError(f"the length {text[:12]} is out of bounds; the longest is {_MAX_UNITS}")
    top = int(numerator or 1)
    if not slash:
        bottom = 1
    elif denominator.startswith("/") or not denominator:
        bottom = int(2 ** (len(denominator) + 1))
    else:
        bottom = int(denominator)
    if top == 0 or bottom == 0:
        raise ValueError(f"the length {text} is zero; expected one such as 2, 3/2 or /")
    if bottom > _MAX_DENOMINATOR:
        raise ValueError(f"the length {text} is too short; the shortest is 1/{_MAX_DENOMINATOR}")
    return Fraction(top, bottom)


def in_steps(duration: Fraction) -> Steps:
    """A duration, given in whole notes, in steps."""
    steps, rest = divmod(duration.numerator * _STEPS, duration.denominator)
    return duration * _STEPS if rest else steps


# A collection needs few lengths. They are looked up by text and integers: Fractions hash and
# multiply slowly.
@lru_cache(maxsize=1 << 12)
def measured(length: str, numerator: int, denominator: int) -> tuple[Fraction, Steps]:
    """The duration that a length stands for, by the unit note length, and that in steps.

    Raises:
        ValueError: as :func:`parse_length` does.
    """
    duration = Fraction(numerator, denominator)
    if length:
        duration *= parse_length(length)
    return duration, in_steps(duration)


def shortened(duration: Fraction, tuplet: Tuplet) -> tuple[Fraction, Steps]:
    """The sounding duration of a note in a tuplet (4.13), and that in steps."""
    return _product(duration.numerator, duration.denominator, tuplet.normal, tuplet.actual)


@lru_cache(maxsize=1 << 12)
def _product(numerator: int, denominator: int, by: int, over: int) -> tuple[Fraction, Steps]:
    duration = Fraction(numerator * by, denominator * over)
    return duration, in_steps(duration)


def ratio(steps: Steps) -> tuple[int, int]:
    """Numerator and denominator of a duration in whole notes, in lowest terms."""
    top, bottom = steps.numerator, steps.denominator * _STEPS
    common = gcd(top, bottom)
    return top // common, bottom // common


_NOTES: dict[str, tuple[str, int | None, int, str]] = {}


def parse_note(text: str) -> tuple[str, int | None, int, str]:
    """A note's letter, written accidental and octave (4.1, 4.2), and the text of its length."""
    found = _NOTES.get(text)
    if found is None:
        name = text.rstrip("0123456789/")
        letter = name.strip("_^=,'")
        octave = 4 if letter.isupper() else 5
        octave += name.count("'") - name.count(",")
        accidental = ACCIDENTALS[name[: name.index(letter)]]
        found = (letter.upper(), accidental, octave, text[len(name) :])
        if len(_NOTES) < 1 << 14:
            _NOTES[text] = found
    return found


def parse_tuplet(text: str, compound: bool) -> tuple[int, int, int]:
    """A tuplet mark ``(p:q:r`` as p notes in the time of q, for the next r (4.13).

    Args:
        compound: whether the metre is compound, which the default q of 5, 7 and 9 follows.

    Raises:
        ValueError: with a sentence, if a number is out of bounds.
    """
    given = [part[:5] for part in text[1:].split(":")]
    actual = int(given[0])
    normal = int(given[1]) if len(given) > 1 and given[1] else 0
    notes = int(given[2]) if len(given) > 2 and given[2] else 0
    normal = normal or TUPLET_TIMES.get(actual, 3 if compound else 2)
    notes = notes or actual
    if not 1 < actual <= MAX_TUPLET or normal > MAX_TUPLET or notes > MAX_TUPLET:
        raise ValueError(f"the tuplet {text[:12]} is out of bounds; expected (2 to (9, or (p:q:r")
    return actual, normal, notes
