"""Microtones, ``^/c`` or ``_3/2d`` as abc2midi has them: named, and left out."""

from __future__ import annotations

from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.diagnostics import Severity

__all__ = ["after_microtone"]


def after_microtone(lexemes: list[Lexeme], index: int, report: Report) -> int | None:
    """The index after a microtone that begins at ``index``, which is reported; None if none does.

    The standard has none, and neither has the score: the note is read as without it.
    """
    end = index
    while end < min(index + 2, len(lexemes)) and lexemes[end][1] in ("^", "_"):
        end += 1
    kinds = [kind for kind, _, _ in lexemes[end : end + 2]]
    if end == index or kinds != [Kind.LENGTH, Kind.NOTES] or lexemes[end + 1][1][0].isspace():
        return None
    written = "".join(text for _, text, _ in lexemes[index : end + 1])
    message = (
        f"{written} makes a microtone, which is not played: the note sounds as it does without "
        "it; the accidentals are ^ ^^ _ __ ="
    )
    report("microtone", Severity.WARNING, message, lexemes[index][2], len(written))
    return end + 1
