"""Collects a tune's diagnostics and turns offsets into lines and columns."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from seqgen.music.abc.lexer import lines
from seqgen.music.diagnostics import Diagnostic, Severity

__all__ = ["Reporter"]


class Reporter:
    """The diagnostics of one tune.

    Args:
        text: that holds the tune.
        offset: where the tune begins in it; end: where it ends; line: of its first line, from 1.

    Attributes:
        refused: whether one of them is an error.
    """

    def __init__(self, text: str, offset: int, end: int, line: int) -> None:
        self._text = text
        self._offset = offset
        self._end = end
        self._line = line
        self._found: list[tuple[int, str, Severity, str, int]] = []
        self.refused = False

    def report(self, code: str, severity: Severity, message: str, offset: int, length: int) -> None:
        """Add a diagnostic by its place in the text."""
        self._found.append((offset, code, severity, message, length))
        if severity is Severity.ERROR:
            self.refused = True

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them in the order of the text."""
        if not self._found:
            return ()
        self._found.sort(key=itemgetter(0))
        starts = self._starts()
        line, start, following = self._line, next(starts), next(starts)
        diagnostics = []
        for offset, code, severity, message, length in self._found:
            while offset >= following:
                line, start, following = line + 1, following, next(starts)
            column = offset - start + 1
            diagnostics.append(Diagnostic(code, severity, message, line, column, length))
        return tuple(diagnostics)

    def _starts(self) -> Iterator[int]:
        """Where each line of the tune begins, then a place that nothing is beyond."""
        start = self._offset
        yield start
        for text, end in lines(self._text[start : self._end]):
            if end:
                start += len(text) + len(end)
                yield start
        yield len(self._text) + 1
