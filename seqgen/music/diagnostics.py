"""What is wrong in a text, where, and what was expected: a compiler's diagnostics for music."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Diagnostic", "Severity"]


class Severity(StrEnum):
    """How bad it is.

    An error leaves something without a meaning, so its tune is refused. A warning names a fault or
    something ignored; the tune can still be used.
    """

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(NamedTuple):
    """One problem of a text.

    Args:
        code: a fixed short name of its class, such as ``bar-length``, for scripts.
        severity: error or warning.
        message: one sentence: what is wrong, and what was expected or what to do.
        line: from 1; column: in characters, from 1; length: of the faulty piece, in characters.
    """

    code: str
    severity: Severity
    message: str
    line: int
    column: int
    length: int = 1
