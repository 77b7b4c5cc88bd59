"""Fields by which a tune gives signs a meaning of its own: ``U:`` and ``m:``."""

from __future__ import annotations

import re

from seqgen.music.abc.bars import Report
from seqgen.music.diagnostics import Severity

__all__ = ["read_macro", "read_symbol"]

_SYMBOL = re.compile(r"([H-Wh-w~])\s*=\s*(?:!([^!]*)!|\+([^+]*)\+|(\"[^\"]*\")|(\S+))")


def read_symbol(symbols: dict[str, str], value: str) -> None:
    """Apply a ``U:`` field (4.16); a value in quotes stands for that annotation or chord symbol."""
    match = _SYMBOL.match(value)
    if match:
        meaning = match[2] or match[3] or match[4] or match[5] or ""
        if meaning in ("nil", "none", "none!"):
            symbols.pop(match[1], None)
        else:
            symbols[match[1]] = meaning


def read_macro(macros: dict[str, str], value: str, offset: int, report: Report) -> None:
    """Add a ``m:`` field, ``target = replacement`` (10.3)."""
    target, equals, replacement = (part.strip() for part in value.partition("="))
    if not equals or not 0 < len(target) <= 32 or len(replacement) > 256 or len(macros) >= 64:
        report(
            "macro",
            Severity.WARNING,
            "this is no macro; expected up to 64 of the form target = replacement, of at most 32 "
            "and 256 characters",
            offset,
            max(1, len(value)),
        )
        return
    macros[target] = replacement
