"""The header: X:, T:, fields in any order, K: (ABC 2.1, section 3)."""

from __future__ import annotations

from seqgen.music.abc.grammar.field_values import READ_FIELDS, completion, goes_on, value_of
from seqgen.music.abc.grammar.state import Header

__all__ = ["TEXT_FIELDS", "advance", "is_plain", "is_text", "takes"]

TEXT_FIELDS = "ABCDFGHNORSTWZ"
"""Fields whose value is any text."""


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
