"""Collects a tune's diagnostics and turns offsets into lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.diagnostics import Diagnostic, Severity

__all__ = ["Reporter"]


class Reporter:
    """The diagnostics of one tune.

    Args:
        lexemes: of the tune.
        offset: of the tune in the text; line: of its first line, from 1.
    """

    def __init__(self, lexemes: Sequence[Lexeme], offset: int, line: int) -> None:
        self._lexemes = lexemes
        self._offset = offset
        self._line = line
        self._found: list[tuple[int, str, Severity, str, int]] = []

    def report(self, code: str, severity: Severity, message: str, offset: int, length: int) -> None:
        """Add a diagnostic by its place in the text."""
        self._found.append((offset, code, severity, message, length))

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them in the order of the text."""
        if not self._found:
            return ()
        starts = [self._offset]
        starts += [at + len(end) for kind, end, at in self._lexemes if kind is Kind.NEWLINE]
        diagnostics = []
        for offset, code, severity, message, length in sorted(
            self._found, key=lambda each: each[0]
        ):
            line = max(0, bisect_right(starts, offset) - 1)
            diagnostics.append(
                Diagnostic(
                    code, severity, message, self._line + line, offset - starts[line] + 1, length
                )
            )
        return tuple(diagnostics)
