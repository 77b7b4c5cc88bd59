"""ABC's mnemonics for letters with accents (8.2)."""

from __future__ import annotations

import re

__all__ = ["accents"]

_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "c": "\u0327",
    "v": "\u030c", "u": "\u0306", "=": "\u0304", ".": "\u0307", "H": "\u030b", ";": "\u0328",
}  # fmt: skip
_LETTERS = {
    "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "ss": "ß", "aa": "å", "AA": "Å", "/o": "ø",
    "/O": "Ø", "th": "þ", "TH": "Þ", "DH": "Ð", "dh": "ð", "/l": "ł", "/L": "Ł",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:(ae|AE|oe|OE|ss|aa|AA|/[oOlL]|th|TH|dh|DH)|([`'^~\"cvu=.H;])([A-Za-z])"
    r"|u([0-9a-fA-F]{4})|([%&\\]))"
)


def accents(text: str) -> str:
    r"""Text with the accents of ABC's mnemonics, such as ``\'e``, in place (8.2)."""
    if "\\" not in text:
        return text

    def letter(match: re.Match[str]) -> str:
        if match[1]:
            return _LETTERS[match[1]]
        if match[2]:
            from unicodedata import normalize

            return normalize("NFC", match[3] + _ACCENTS[match[2]])
        if match[4]:
            code = int(match[4], 16)
            return match[0] if 0xD800 <= code < 0xE000 else chr(code)
        return match[5]

    return _ESCAPE.sub(letter, text)
