"""Single pieces of a score as ABC text: the inverse of ``fields`` and ``values``.

Section numbers are those of the ABC standard 2.1.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from seqgen.music.abc.accents import accents
from seqgen.music.abc.notation import ACCIDENTALS
from seqgen.music.score import BarLine, Clef, Key, Syllable, Tempo, Tuplet

__all__ = [
    "format_bar_line",
    "format_clef",
    "format_field",
    "format_key",
    "format_length",
    "format_pitch",
    "format_syllable",
    "format_tempo",
    "format_text",
    "format_tuplet",
]

_MARKS = {alter: mark for mark, alter in ACCIDENTALS.items()}
_MODE_NAMES = {"maj": "", "min": "m"}
_BARS = {
    "none": "|", "thin": "|", "double": "||", "final": "|]", "start": "[|", "dotted": ".|",
    "invisible": "[|]",
}  # fmt: skip


@lru_cache(maxsize=4096)
def format_pitch(step: str, accidental: int | None, octave: int) -> str:
    """A note's letter with its accidental and octave marks (4.1, 4.2)."""
    if octave >= 5:
        return f"{_MARKS[accidental]}{step.lower()}" + "'" * (octave - 5)
    return f"{_MARKS[accidental]}{step}" + "," * (4 - octave)


@lru_cache(maxsize=4096)
def format_length(units: Fraction) -> str:
    """A length in unit note lengths: ``""``, ``2``, ``/2``, ``3/2`` (4.3)."""
    if units.denominator == 1:
        return "" if units.numerator == 1 else f"{units.numerator}"
    top = "" if units.numerator == 1 else f"{units.numerator}"
    return f"{top}/{units.denominator}"


def format_tuplet(tuplet: Tuplet, usual: tuple[int, int, int]) -> str:
    """The mark before a tuplet's first note; ``usual`` is what ``(p`` alone means here (4.13)."""
    actual, normal, notes, _ = tuplet
    if (actual, normal, notes) == usual:
        return f"({actual}"
    return f"({actual}:{normal}:{notes}"


def format_bar_line(line: BarLine) -> str:
    """A bar line (4.8); a thick one that repeats may be written as two."""
    if line == BarLine("thin", 2, 2):
        return "::"  # abc2midi takes :|: for the end of a repeat alone
    core = _BARS[line.style]
    closes, opens = ":" * (line.closes - 1), ":" * (line.opens - 1)
    if line.closes and line.style == "start":
        return f"{closes}| [|{opens}"
    if line.opens and line.style in ("double", "final", "invisible"):
        return f"{closes}{core} |{opens}"
    return f"{closes}{core}{opens}"


def format_field(name: str, value: str) -> str:
    """A field on a line of its own; ``V:|`` would be a note before a bar line."""
    return f"{name}: {value}" if value.startswith(("|", ":")) else f"{name}:{value}"


def format_key(key: Key | None, clef: Clef | None) -> str:
    """The value of a ``K:`` field (3.1.14, 4.6)."""
    words = []
    if key is not None:
        words.append((key.tonic or "none") + _MODE_NAMES.get(key.mode, key.mode))
        if key.replaces:
            words.append("exp")
        words += [f"{_MARKS[alter]}{step.lower()}" for step, alter in key.explicit]
    if clef is not None:
        words.append(format_clef(clef) or "octave=0")
    return " ".join(words)


def format_clef(clef: Clef) -> str:
    """A clef as properties of ``K:`` or ``V:``; ``""`` if nothing is said (4.6)."""
    words = []
    if clef.name:
        words.append(f"clef={clef.name}")
    if clef.octave:
        words.append(f"octave={clef.octave}")
    if clef.transpose:
        words.append(f"transpose={clef.transpose}")
    return " ".join(words)


def format_tempo(tempo: Tempo) -> str:
    """The value of a ``Q:`` field (3.1.8)."""
    words = [f'"{tempo.text}"'] if tempo.text else []
    if tempo.per_minute is not None:
        beats = " ".join(f"{beat.numerator}/{beat.denominator}" for beat in tempo.beats)
        words.append(f"{beats}={float(tempo.per_minute):.9g}")
    return " ".join(words)


def format_text(text: str) -> str:
    r"""Text of a field or in quotes such that :func:`accents` gives it back (8.2)."""
    return text if accents(text) == text else text.replace("\\", "\\\\")


def format_syllable(syllable: Syllable) -> str:
    """One syllable of a ``w:`` line (5.1)."""
    if not syllable.text:
        return "_"
    text = format_text(syllable.text).replace("-", "\\-").replace(" ", "~").replace("%", "\\%")
    return f"{text}-" if syllable.hyphen else text
