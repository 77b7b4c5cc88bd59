"""What may stand in X:, M:, L:, Q: and K: (ABC 2.1, section 3.1), and what it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from seqgen.music.abc.fields import default_unit, parse_key, parse_meter, parse_unit
from seqgen.music.abc.grammar.lengths import WHOLE
from seqgen.music.abc.grammar.state import Setting
from seqgen.music.abc.notation import MODES, SHARPS

__all__ = [
    "METERS",
    "READ_FIELDS",
    "UNITS",
    "Value",
    "completion",
    "goes_on",
    "read_setting",
    "value_of",
]

READ_FIELDS = "XMLQK"
"""Fields whose value has a form."""


@dataclass(frozen=True, slots=True)
class Value:
    """The values that a field may have, as a language to be recognised from its beginning on.

    Args:
        begins: whether a text begins a value; completes: whether it is one. True-ish or not.
        endings: by length, what completes a beginning; "" where it is whole.
    """

    begins: Callable[[str], object]
    completes: Callable[[str], object]
    endings: tuple[str, ...]

    @classmethod
    def one_of(cls, values: Iterable[str]) -> Value:
        """A finite choice."""
        # Sets, not patterns: that of all keys takes 50 ms to compile, a tenth of a cold start.
        whole = frozenset(values)
        beginnings = frozenset(value[:end] for value in whole for end in range(len(value) + 1))
        endings = {value[start:] for value in whole for start in range(len(value) + 1)}
        return cls(beginnings.__contains__, whole.__contains__, _by_length(endings))

    def accepts(self, text: str) -> bool:
        """Whether ``text`` begins a value; white space after a whole one does no harm."""
        return bool(self.begins(text)) or (text.endswith(" ") and self.is_whole(text))

    def is_whole(self, text: str) -> bool:
        """Whether ``text`` is a value, spaces after it aside."""
        return bool(self.completes(text.rstrip(" ")))

    def ending(self, text: str, alphabet: frozenset[str] | None) -> str | None:
        """The shortest text that makes ``text`` a value, from the alphabet (None: any).

        None that leaves a space at the end, where another does.
        """
        for ending in self.endings:
            if self.completes(text + ending) and (alphabet is None or alphabet.issuperset(ending)):
                return ending
        return "" if self.is_whole(text) else None


def _by_length(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts, key=lambda text: (len(text), text)))


_MODE_NAMES = {
    "maj": ("maj", "major"), "ion": ("ion", "ionian"), "lyd": ("lyd", "lydian"),
    "mix": ("mix", "mixolydian"), "dor": ("dor", "dorian"), "m": ("m",), "min": ("min", "minor"),
    "aeo": ("aeo", "aeolian"), "phr": ("phr", "phrygian"), "loc": ("loc", "locrian"), "": ("",),
}  # fmt: skip


def _keys() -> Iterable[str]:
    yield from ("HP", "Hp", "none")
    for letter in "CDEFGAB":
        for sign, fifths in (("", 0), ("#", 7), ("b", -7)):
            for mode, names in _MODE_NAMES.items():
                # Signatures beyond seven sharps or flats are no keys.
                if abs(SHARPS.index(letter) - 1 + fifths + MODES[mode]) > 7:
                    continue
                for name in names:
                    tonic = letter + sign
                    yield tonic + name
                    if len(name) > 1:
                        yield from (
                            f"{tonic} {name}", f"{tonic} {name.capitalize()}",
                            tonic + name.capitalize(), tonic + name.upper(),
                        )  # fmt: skip
    yield from (f"{letter}M" for letter in "CDEFGA")


METERS = (
    "C", "C|", "none",
    *(f"{beats}/{unit}" for unit in (1, 2, 4, 8, 16, 32) for beats in range(1, 33)),
)  # fmt: skip
UNITS = tuple(f"1/{unit}" for unit in (1, 2, 4, 8, 16, 32))
_NUMBER = Value(
    re.compile(r"0{0,4}|0{0,4}[1-9][0-9]{0,4}").fullmatch,
    re.compile(r"0{0,4}[1-9][0-9]{0,4}").fullmatch,
    ("", *"123456789"),
)  # fmt: skip
# Beats and a figure, words before or after: the forms of 3.1.8 that every player reads.
_WORDS = r"\"[A-Za-z .,']*\""
_BEATS = r"[1-9]/(?:2|4|8|16) ?= ?"
_FIGURE = r"(?:[1-3][0-9]{2}|[1-9][0-9])"


def _tempos() -> Value:
    return Value(
        re.compile(
            rf"(?:{_WORDS} ?)?(?:[1-9](?:/(?:[248]|16?)?)?|[1-9]/(?:2|4|8|16) |{_BEATS}[1-9]?)?"
            rf"|\"[A-Za-z .,']*|(?:{_WORDS} ?)?{_BEATS}{_FIGURE}(?: (?:\"[A-Za-z .,']*\"?)?)?"
            rf"|{_FIGURE}"
        ).fullmatch,
        re.compile(rf"(?:{_WORDS} ?)?{_BEATS}{_FIGURE}(?: {_WORDS})?|{_FIGURE}").fullmatch,
        _by_length(
            start + figures
            for start in ("", '"', '"1')
            for figures in (
                "", "0", "9", "00", "99", "=99", "/2=99", "/4=99", "/8=99", "2=99", "4=99", "8=99",
                "6=99", "1/4=99", "1/8=99", "1/2=99",
            )
        ),
    )  # fmt: skip


@cache
def _values(field: str) -> Value:
    if field == "K":
        return Value.one_of(_keys())
    if field == "M":
        return Value.one_of(METERS)
    if field == "L":
        return Value.one_of(UNITS)
    return _tempos() if field == "Q" else _NUMBER


@lru_cache(maxsize=256)
def value_of(field: str, forced: str) -> Value:
    """The values that a field may have; those that mean what ``forced`` does, unless it is empty.

    So a model that has learnt to write ``K:A Dorian`` may, where ``Ador`` was asked for.
    """
    if not forced:
        return _values(field)
    same = [forced]
    if field == "K":
        same += [each for each in _keys() if parse_key(each)[0] == parse_key(forced)[0]]
    elif field == "M":
        meant = parse_meter(forced)
        same += [
            each for each in METERS
            if (parse_meter(each).beats, parse_meter(each).unit) == (meant.beats, meant.unit)
        ]  # fmt: skip
    return Value.one_of(same)


@lru_cache(maxsize=1 << 14)
def completion(field: str, forced: str, text: str, alphabet: frozenset[str] | None) -> str | None:
    """The shortest text from the alphabet that makes ``text`` a value; None if none does."""
    return value_of(field, forced).ending(text, alphabet)


def goes_on(field: str, forced: str, text: str, alphabet: frozenset[str] | None) -> bool:
    """Whether a space after ``text`` is within a value, as in ``A Dorian``, and not after one."""
    return not value_of(field, forced).is_whole(text) or bool(
        completion(field, forced, f"{text} ", alphabet)
    )


@lru_cache(maxsize=1024)
def read_setting(meter: str, unit: str, key: str) -> Setting:
    """What the values of M:, L: and K: mean for the music; without M: the metre is free."""
    metre = parse_meter(meter)
    length = parse_unit(unit) if unit else default_unit(metre)
    full = metre.duration
    signature = parse_key(key)[0]
    return Setting(
        int(full * WHOLE) if full is not None else 0,
        int(length * WHOLE),
        metre.compound,
        signature.alters if signature else (),
    )
