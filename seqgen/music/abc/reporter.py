"""Collects a tune's diagnostics and turns offsets into lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from seqgen.music.diagnostics import Diagnostic, Severity

__all__ = ["Reporter"]


class Reporter:
    """The diagnostics of one tune.

    Args:
        starts: where each of its lines begins in the text; line: number of the first, from 1.

    Attributes:
        refused: whether one of them is an error.
    """

    def __init__(self, starts: Sequence[int], line: int) -> None:
        self._starts = starts
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
        starts = self._starts
        diagnostics = []
        for offset, code, severity, message, length in sorted(self._found, key=itemgetter(0)):
            line = max(0, bisect_right(starts, offset) - 1)
            column = offset - starts[line] + 1
            diagnostics.append(
                Diagnostic(code, severity, message, self._line + line, column, length)
            )
        return tuple(diagnostics)
