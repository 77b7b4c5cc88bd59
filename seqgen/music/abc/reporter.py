"""Collects a tune's diagnostics and turns offsets into lines and columns."""

from __future__ import annotations

from bisect import bisect_right

from seqgen.music.abc.lexer import lines
from seqgen.music.diagnostics import Diagnostic, Severity

__all__ = ["Reporter"]


class Reporter:
    """The diagnostics of one tune.

    Args:
        text: that holds the tune.
        offset: where the tune begins in it; end: where it ends; line: of its first line, from 1.
    """

    def __init__(self, text: str, offset: int, end: int, line: int) -> None:
        self._text = text
        self._offset = offset
        self._end = end
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
        for text, end in lines(self._text[self._offset : self._end]):
            if end:
                starts.append(starts[-1] + len(text) + len(end))
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
