"""The values of fields: key, metre, unit note length, tempo, voice, macro, symbol.

Each function takes a field's value, without letter, colon or comment, and raises ValueError with a
sentence for the musician where it can't be given a meaning. Section numbers are those of the ABC
standard 2.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from string import ascii_letters

from seqgen.music.abc.notation import ACCIDENTALS, MODES, SHARPS, STEPS, TEMPO_WORDS
from seqgen.music.signs import Clef, Key, Meter, Tempo

__all__ = [
    "VoiceField",
    "default_unit",
    "merge_voice",
    "parse_key",
    "parse_meter",
    "parse_tempo",
    "parse_unit",
    "parse_voice",
]

_MAX_BEATS = 1024
_REMEMBERED = 1024  # values of each field: those of a collection are mostly the same few
_TONIC = re.compile(r"([A-G])([#b♯♭]?)(.*)", re.DOTALL)
_EXPLICIT = re.compile(r"(\^\^?|__?|=)([A-Ga-g])")
_WORD = re.compile(r"[A-Za-z]+=(?:\"[^\"]*\"|\S*)|\"[^\"]*\"|\S+")
_CLEF = re.compile(
    r"(?:treble|bass|alto|tenor|perc|none|soprano|mezzo|mezzosoprano|baritone|[GFC])?[1-5]?"
    r"(?:[+-](?:8|15))?"
)
_METER = re.compile(r"\(?\s*([0-9]+(?:\s*\+\s*[0-9]+)*)\s*\)?\s*/\s*([0-9]+)")
_FRACTION = re.compile(r"([0-9]+)(?:\s*/\s*([0-9]+))?")
_TEMPO = re.compile(
    r"((?:[0-9]+\s*/\s*[0-9]+\s*)+|C[0-9]*(?:/[0-9]*)?\s*)=\s*([0-9]+(?:\.[0-9]+)?)(?![0-9/])"
)
# Numbers longer than this mean nothing in music, and Python refuses to read very long ones.
_MAX_DIGITS = 6


def _number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"the number {digits[:8]}… is too large")
    return int(digits)


def _signature(fifths: int) -> dict[str, int]:
    alters: dict[str, int] = {}
    order, sign = (SHARPS, 1) if fifths > 0 else (SHARPS[::-1], -1)
    for index in range(abs(fifths)):
        step = order[index % 7]
        alters[step] = alters.get(step, 0) + sign
    return alters


@lru_cache(maxsize=_REMEMBERED)
def parse_key(value: str) -> tuple[Key | None, Clef | None, tuple[str, ...]]:
    """Read a ``K:`` field (3.1.14, 4.6).

    Returns:
        The key, None where only a clef is given; the clef, None where none is; and the words that
        mean nothing, which are ignored.
    """
    words = [word for word in _WORD.findall(value) if word]
    if not words:
        return Key("", ""), None, ()
    tonic, mode, fifths = "", "", 0
    alters: dict[str, int] = {}
    found = False
    first = words[0]
    match = _TONIC.fullmatch(first)
    if first in ("HP", "Hp"):
        tonic, found = first, True
        # HP prints no signature, Hp two sharps; the pipes sound F and C sharp either way.
        alters = _signature(2)
        words.pop(0)
    elif first.lower() == "none":
        found = True
        words.pop(0)
    elif match:
        tonic = match[1] + match[2].replace("♯", "#").replace("♭", "b")
        rest = match[3]
        words.pop(0)
        if not rest and words and _mode(words[0]) is not None:
            rest = words.pop(0)
        name = rest[: len(rest) - len(rest.lstrip(ascii_letters))]
        known = _mode(name)
        if known is None:
            raise ValueError(
                f"'{value}' is no key; expected a letter A to G, # or b, and a mode such as "
                "major, minor, dor or mix"
            )
        mode = known
        if rest[len(name) :]:
            words.insert(0, rest[len(name) :])
        fifths = SHARPS.index(tonic[0]) - 1 + 7 * ((tonic[1:] == "#") - (tonic[1:] == "b"))
        alters = _signature(fifths + MODES[mode])
        found = True
    clef, explicit, replaces, unknown = _key_words(words)
    if explicit:
        found = True
        if replaces:
            alters = {}
        for step, alter in explicit:
            alters[step] = alter
    elif replaces:
        found, alters = True, {}
    if not found and clef is None:
        raise ValueError(
            f"'{value}' is no key; expected a letter A to G, # or b, and a mode such as major, "
            "minor, dor or mix"
        )
    ordered = tuple((step, alters[step]) for step in STEPS if alters.get(step))
    key = Key(tonic, mode, ordered, tuple(explicit), replaces) if found else None
    return key, clef, tuple(unknown)


def _mode(word: str) -> str | None:
    """The canonical name of a mode, or None if it is no mode."""
    if not word:
        return "maj"
    # Capitals make no difference, so K:EM is E minor too.
    name = word[:3].lower()
    if name not in MODES or not word.isalpha():
        return None
    return {"ion": "maj", "aeo": "min", "m": "min"}.get(name, name)


def _key_words(
    words: list[str],
) -> tuple[Clef | None, list[tuple[str, int]], bool, list[str]]:
    clef: Clef | None = None
    explicit: list[tuple[str, int]] = []
    replaces = False
    unknown: list[str] = []
    for word in words:
        if word == "exp":
            replaces = True
        elif _EXPLICIT.match(word):
            position = 0
            while match := _EXPLICIT.match(word, position):
                explicit.append((match[2].upper(), ACCIDENTALS[match[1]] or 0))
                position = match.end()
            if position < len(word):
                unknown.append(word[position:])
        elif (changed := _clef_word(word, clef or Clef())) is not None:
            clef = changed
        else:
            unknown.append(word)
    return clef, explicit, replaces, unknown


# Properties of K: and V: that only a printer needs.
_PRINTED = frozenset(
    {"middle", "m", "stafflines", "staffscale", "style", "stem", "stems", "gstem", "gstems",
     "dyn", "lyrics", "scale", "merge", "up", "down", "brace", "bracket", "cue", "map", "cl",
     "instrument", "space", "snm", "sname", "subname", "gchord", "volume", "pan"}
)  # fmt: skip


def _clef_word(word: str, clef: Clef) -> Clef | None:
    name, equals, value = word.partition("=")
    value = value.strip('"')
    name = name.lower()
    if not equals:
        return replace(clef, name=word) if word and _CLEF.fullmatch(word) else None
    if name == "clef":
        if not _CLEF.fullmatch(value):
            raise ValueError(
                f"'{value}' is no clef; expected treble, bass, alto, tenor, perc or none, "
                "with +8 or -8 if it sounds an octave higher or lower"
            )
        return replace(clef, name=value)
    if name in ("octave", "transpose", "t"):
        if not re.fullmatch(r"[+-]?[0-9]{1,2}", value):
            raise ValueError(f"{name}= takes a whole number, such as {name}=-1, not '{value}'")
        number = int(value)
        return replace(clef, octave=number) if name == "octave" else replace(clef, transpose=number)
    return clef if name in _PRINTED else None


@lru_cache(maxsize=_REMEMBERED)
def parse_meter(value: str) -> Meter:
    """Read an ``M:`` field: ``6/8``, ``C``, ``C|``, ``2+3/8``, ``none`` (3.1.6)."""
    text = value.strip()
    if text == "C":
        return Meter((4,), 4, "C")
    if text == "C|":
        return Meter((2,), 2, "C|")
    if text.lower() in ("none", ""):
        return Meter((), 1)
    match = _METER.match(text)
    if not match or (match.end() < len(text) and not text[match.end()].isspace()):
        raise ValueError(f"'{value}' is no metre; expected one such as 4/4, 6/8, C, C| or none")
    beats = tuple(_number(number.strip()) for number in match[1].split("+"))
    unit = _number(match[2])
    if not 1 <= sum(beats) <= _MAX_BEATS or 0 in beats or not 1 <= unit <= _MAX_BEATS:
        raise ValueError(f"the metre {value} has no meaning; both numbers lie from 1 to 1024")
    return Meter(beats, unit)


@lru_cache(maxsize=_REMEMBERED)
def default_unit(meter: Meter) -> Fraction:
    """The unit note length where no ``L:`` says it: 1/16 if the metre is under 3/4, else 1/8."""
    duration = meter.duration
    return Fraction(1, 16) if duration is not None and duration < Fraction(3, 4) else Fraction(1, 8)


@lru_cache(maxsize=_REMEMBERED)
def parse_unit(value: str) -> Fraction:
    """Read an ``L:`` field (3.1.7)."""
    match = _FRACTION.fullmatch(value.strip())
    if match:
        unit = (_number(match[1]), _number(match[2] or "1"))
        if 1 <= unit[0] <= 64 and 1 <= unit[1] <= 1024:
            return Fraction(*unit)
    raise ValueError(f"'{value}' is no unit note length; expected one such as 1/8")


@lru_cache(maxsize=_REMEMBERED)
def parse_tempo(value: str, unit: Fraction) -> Tempo:
    """Read a ``Q:`` field: ``1/4=120``, ``"Allegro" 1/4=120``, ``120``, ``"Andante"`` (3.1.8).

    Args:
        unit: the unit note length, which the old forms ``C=120`` and ``120`` count in (10.1).
    """
    texts: list[str] = []
    figures = value.strip()
    if '"' in value:
        texts = re.findall(r"\"([^\"]*)\"", value)
        figures = re.sub(r"\"[^\"]*\"?", " ", value).strip()
    text = " ".join(words.strip() for words in texts).strip()
    if not figures:
        speed = TEMPO_WORDS.get(text.lower())
        return Tempo((Fraction(1, 4),), Fraction(speed), text) if speed else Tempo(text=text)
    beats: tuple[Fraction, ...]
    if match := _TEMPO.fullmatch(figures):
        if match[1].startswith("C"):
            length = match[1][1:].strip() or "1"
            numerator, _, denominator = length.partition("/")
            beats = (unit * Fraction(_number(numerator or "1"), _number(denominator or "1") or 1),)
        else:
            pairs = re.findall(r"([0-9]+)\s*/\s*([0-9]+)", match[1])
            if any(_number(denominator) == 0 for _, denominator in pairs):
                raise ValueError(f"the tempo '{value}' divides by zero")
            beats = tuple(Fraction(_number(a), _number(b)) for a, b in pairs)
        number = match[2]
    elif re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", figures):
        beats, number = (unit,), figures
    elif re.fullmatch(r"[^0-9=/]+", figures):
        return parse_tempo(f'"{figures}"', unit)
    else:
        raise ValueError(f"'{value}' is no tempo; expected one such as 1/4=120 or \"Allegro\"")
    if len(number) > 2 * _MAX_DIGITS:
        raise ValueError(f"the tempo '{value[:20]}' is too large")
    tempo = Tempo(beats, Fraction(number), text)
    if not 1 <= (tempo.qpm or 0) <= 10000:
        raise ValueError(f"the tempo '{value}' is no speed to play at; expected one like 1/4=120")
    return tempo


@dataclass(frozen=True, slots=True)
class VoiceField:
    """A ``V:`` field: the voice's id, and its name and clef where given (7)."""

    id: str
    name: str | None
    clef: Clef | None


def parse_voice(value: str) -> VoiceField:
    """Read a ``V:`` field; properties that only a printer needs are ignored."""
    words = _WORD.findall(value)
    if not words:
        raise ValueError("V: names no voice; expected one such as V:1")
    name: str | None = None
    clef: Clef | None = None
    for word in words[1:]:
        key, equals, text = word.partition("=")
        if equals and key.lower() in ("name", "nm"):
            name = text.strip('"')
        elif (changed := _clef_word(word, clef or Clef())) is not None:
            clef = changed
    return VoiceField(words[0], name, clef)


def merge_voice(old: VoiceField | None, new: VoiceField) -> VoiceField:
    """A voice's properties after another ``V:`` field for it."""
    if old is None:
        return new
    name = old.name if new.name is None else new.name
    return replace(new, name=name, clef=new.clef or old.clef)
