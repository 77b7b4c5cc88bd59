"""What a caller asks of a tune beyond being valid; the grammar forces it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from seqgen.errors import UsageError
from seqgen.music.abc.fields import parse_key, parse_meter, parse_unit
from seqgen.music.abc.lexer import Context as LineContext
from seqgen.music.abc.lexer import Kind, lex
from seqgen.music.abc.values import parse_note
from seqgen.music.signs import pitch

__all__ = ["WHOLE_RANGE", "Conditions", "parse_range"]

WHOLE_RANGE = (0, 127)
"""MIDI pitches."""

_DEFAULT_SECTION = 8
_MAX_BARS = 1024
_UNITS = frozenset((1, 2, 4, 8, 16, 32, 64))
_LONGEST_BAR = 32
_DRAWN_RANGE = (23, 120)  # of three octave marks at most, see notes.py


@dataclass(frozen=True)
class Conditions:
    """Conditions on a tune; the empty ones leave the choice to the model.

    Args:
        meter, key, unit, rhythm, title: values of ``M: K: L: R: T:`` that the header must hold; the
            first three may not change later.
        bars: how many the tune has as written, upbeats not counted; 0 leaves it open.
        form: a letter a section, such as ``AABB``: each is a section of equally many bars, and a
            letter written twice a section that is repeated.
        lowest, highest: MIDI pitches that no note may leave.
    Raises:
        UsageError: one of them has no meaning, or they contradict each other.
    """

    meter: str = ""
    key: str = ""
    unit: str = ""
    rhythm: str = ""
    title: str = ""
    bars: int = 0
    form: str = ""
    lowest: int = WHOLE_RANGE[0]
    highest: int = WHOLE_RANGE[1]

    def __post_init__(self) -> None:
        for name, value, read in (
            ("meter", self.meter, _require_meter),
            ("key", self.key, _require_key),
            ("unit-length", self.unit, _require_unit),
        ):
            try:
                if value:
                    read(value)
            except ValueError as error:
                raise UsageError(f"--{name}: {error}") from error
        for name, value in (("rhythm", self.rhythm), ("title", self.title)):
            if not value.isprintable() or "%" in value or "\\" in value or value != value.strip():
                raise UsageError(f"--{name} must be one line of text without % or backslash")
        if not 0 <= self.bars <= _MAX_BARS:
            raise UsageError(f"--bars must be from 1 to {_MAX_BARS}")
        if self.form and not re.fullmatch(r"[A-Za-z]{1,64}", self.form):
            raise UsageError("--form takes a letter a section, such as AABB")
        runs = [(letter, len(list(run))) for letter, run in groupby(self.form)]
        if len({letter for letter, _ in runs}) < len(runs):
            raise UsageError(
                f"--form {self.form} brings a section back; only one that follows itself can be "
                "repeated, as in AABB"
            )
        if any(times > 2 for _, times in runs):
            raise UsageError(f"--form {self.form} repeats a section more than once; write AA")
        if self.form and self.bars and self.bars % len(runs):
            raise UsageError(
                f"--bars {self.bars} can't be shared equally by the {len(runs)} sections of "
                f"--form {self.form}"
            )
        if not 0 <= self.lowest <= self.highest <= 127:
            raise UsageError("--range must rise and lie within MIDI 0 to 127, C,,,, to g'''''")
        if self.highest < _DRAWN_RANGE[0] or self.lowest > _DRAWN_RANGE[1]:
            raise UsageError("--range must hold notes that are drawn, which lie within _C,,,-^b'''")

    @cached_property
    def sections(self) -> tuple[bool, ...]:
        """For each section of the form, whether it is repeated; empty without a form."""
        return tuple(len(list(run)) == 2 for _, run in groupby(self.form))

    @property
    def section_bars(self) -> int:
        """Bars of each section; without a form of the tune; -1 if that is open."""
        if self.form:
            return self.bars // len(self.sections) if self.bars else _DEFAULT_SECTION
        return self.bars or -1


def _require_meter(value: str) -> None:
    meter = parse_meter(value)
    if meter.unit not in _UNITS or (meter.duration or 0) > _LONGEST_BAR:
        raise ValueError(
            f"no tune is drawn in {value}; the lower number is 1, 2, 4, 8, 16, 32 or 64, and a bar "
            f"{_LONGEST_BAR} whole notes at most"
        )


def _require_unit(value: str) -> None:
    unit = parse_unit(value)
    if unit.numerator != 1 or unit.denominator not in _UNITS:
        raise ValueError(f"no tune is drawn in {value}; it is 1/1, 1/2, 1/4 and so on to 1/64")


def _require_key(value: str) -> None:
    """A key and nothing else: of what stands in a file, the parser passes over what it misses."""
    try:
        key, clef, unknown = parse_key(value)
    except ValueError:
        key, clef, unknown = None, None, ()
    if key is None or clef is not None or unknown:
        raise ValueError(
            f"'{value}' is no key; expected a capital A to G, # or b, and a mode such as major, "
            "minor, dor or mix, as in G, Bb, F#m or 'A dorian'"
        )


def parse_range(text: str) -> tuple[int, int]:
    """The MIDI pitches of a range such as ``G,-b'``, notes written as in ABC without a key.

    Raises:
        UsageError: it is no range.
    """
    ends = text.strip().split("-")
    numbers = []
    for end in ends:
        lexemes = lex(end, LineContext.BODY)
        if len(lexemes) != 1 or lexemes[0][0] is not Kind.PITCH:
            raise UsageError(f"--range {text} is no range; expected two notes such as G,-b'")
        letter, accidental, octave, _ = parse_note(end)
        numbers.append(pitch(letter, accidental or 0, octave).midi)
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise UsageError(f"--range {text} is no range; expected two notes such as G,-b'")
    return numbers[0], numbers[1]
