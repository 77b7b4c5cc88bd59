"""The header: X:, T:, fields in any order, K: (ABC 2.1, section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from seqgen.music.abc.fields import default_unit, parse_key, parse_meter, parse_unit
from seqgen.music.abc.grammar.lengths import WHOLE
from seqgen.music.abc.grammar.state import Header, Setting
from seqgen.music.abc.notation import MODES, SHARPS

__all__ = [
    "READ_FIELDS",
    "TEXT_FIELDS",
    "Value",
    "advance",
    "completion",
    "goes_on",
    "is_plain",
    "is_text",
    "read_setting",
    "takes",
    "value_of",
]

TEXT_FIELDS = "ABCDFGHNORSTWZ"
"""Fields whose value is any text."""

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


_METERS = (
    "C", "C|", "none",
    *(f"{beats}/{unit}" for unit in (1, 2, 4, 8, 16, 32) for beats in range(1, 33)),
)  # fmt: skip
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
        return Value.one_of(_METERS)
    if field == "L":
        return Value.one_of(f"1/{unit}" for unit in (1, 2, 4, 8, 16, 32))
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
            each for each in _METERS
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


def advance(
    header: Header,
    character: str,
    forced: dict[str, str],
    alphabet: frozenset[str] | None,
    plain: bool,
) -> Header | tuple[str, str, str] | None:
    """The place after one more character; the values of M:, L: and K: where the header ends there.

    Args:
        forced: values that fields must have; each of them must occur.
        alphabet: the characters that values are finished with; None for all.
        plain: without needless white space, and with what is forced in one piece: a model that is
            held to what it does not expect would else go where it is not held.
    """
    place, field, text, seen, meter, unit, _ = header
    if place == "trailing" and character != "\n":
        return header if is_text(character) else None
    if place == "line":
        return _begin_line(header, character, forced, plain)
    if place == "colon":
        return Header("value", field, "", seen, meter, unit) if character == ":" else None
    if place == "comment":
        return _text(header, character)
    if place == "percent":
        if character == "%":
            return header._replace(place="directive")
        return _text(header._replace(place="comment"), character)
    if place == "directive":
        if character == "\n":
            return header._replace(place="line")
        return header if is_text(character) else None
    if character == "\n":
        # But what a prompt has left behind a value may end its line.
        if (
            plain
            and text.endswith(" ")
            and completion(field, forced.get(field, ""), text, alphabet)
        ):
            return None
        return _end_line(header, forced)
    if character == "%" and text != "\\" and not plain:
        # A comment; what stands before it must be a value.
        whole = field not in READ_FIELDS or value_of(field, forced.get(field, "")).is_whole(text)
        return header._replace(place="trailing") if whole else None
    if field == "I":
        return header if is_text(character) else None
    if field not in READ_FIELDS and field not in forced:
        # Some programs read a line such as G:|… as music.
        begun = header.spaced or character not in " |:"
        if plain and not begun and character != " ":
            return None
        return _text(header._replace(spaced=begun), character)
    if character == " ":
        if not text and not (plain and (field in forced or header.spaced)):
            return header._replace(spaced=True)
        if plain and not goes_on(field, forced.get(field, ""), text, alphabet):
            return None
    text += character
    value = forced.get(field, "")
    if not value_of(field, value).accepts(text) or completion(field, value, text, alphabet) is None:
        return None
    return header._replace(text=text)


def _begin_line(
    header: Header, character: str, forced: dict[str, str], plain: bool
) -> Header | None:
    seen = header.seen
    missing = [field for field in "RML" if field in forced and field not in seen]
    if plain and missing and set(seen) & set("RML"):
        # Once the fields that are forced have begun, the others follow at once.
        allowed = character == missing[0]
    elif not seen:
        allowed = character == "X"
    elif character == "%" and not plain:
        return header._replace(place="percent")
    elif seen == "X":
        allowed = character == "T"
    elif plain and "R" in forced and "R" not in seen:
        # Early, so that a model that has not learnt R: has the lines it knows before the music.
        allowed = character == "R"
    elif character == "K":
        allowed = all(field in seen for field in forced if field != "K")
    elif character in "MLQ" or character in forced:
        allowed = character not in seen or (not plain and character not in forced)
    else:
        allowed = character in TEXT_FIELDS or (character in "IP" and not plain)
    if not allowed:
        return None
    if character not in seen:
        seen = "".join(sorted(seen + character))
    return Header("colon", character, "", seen, header.meter, header.unit)


def is_text(character: str) -> bool:
    """Whether a character may stand in free text: anything but controls and line ends."""
    return character >= " " and character not in "\x7f\x85\u2028\u2029"


def takes(header: Header, forced: dict[str, str]) -> bool:
    """Whether any text for which ``is_plain`` holds may come: it stands in a field of free text."""
    free = header.field not in READ_FIELDS and header.field not in forced and header.field != "I"
    return header.place == "value" and free


def is_plain(text: str) -> bool:
    """Whether a text means nothing to a field of free text, wherever in it it stands."""
    return all(map(is_text, text)) and text[:1] not in " |:" and not {"%", "\\"} & set(text)


def _text(header: Header, character: str) -> Header | None:
    """Free text; a backslash at a line's end would join it with the next, so one must follow."""
    if character == "\n":
        return None if header.text == "\\" else header._replace(place="line", field="", text="")
    if not is_text(character):
        return None
    escaped = "\\" if character == "\\" and header.text != "\\" else ""
    return header if header.text == escaped else header._replace(text=escaped)


def _end_line(header: Header, forced: dict[str, str]) -> Header | tuple[str, str, str] | None:
    field, text = header.field, header.text
    ended = header._replace(place="line", field="", text="", spaced=False)
    if field in READ_FIELDS or field in forced:
        if not value_of(field, forced.get(field, "")).is_whole(text):
            return None
        text = text.rstrip(" ")
        if field == "M":
            return ended._replace(meter=text)
        if field == "L":
            return ended._replace(unit=text)
        if field == "K":
            return header.meter, header.unit, text
        return ended
    return None if text == "\\" else ended
