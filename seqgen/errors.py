"""Every error a user can meet.

    SeqgenError                 exit status 1
    ├── UsageError              exit status 2: an option or argument is wrong
    ├── InputError              a file, tune or text that can't be used: where, and what to do
    ├── CheckpointError         a model file that is missing, damaged, foreign or of another version
    ├── TrainingError           training could not go on (the last good model is kept)
    └── OutputError             a result could not be written where it was asked for

The message is one sentence for a person. The command line prints it on stderr and exits with
``exit_status``; a traceback appears with ``--debug`` only.
"""

from __future__ import annotations

from os import PathLike
from typing import ClassVar

__all__ = [
    "CheckpointError",
    "InputError",
    "OutputError",
    "SeqgenError",
    "TrainingError",
    "UsageError",
]


class SeqgenError(Exception):
    """The root: anything seqgen refuses to do, said in one sentence."""

    exit_status: ClassVar[int] = 1


class UsageError(SeqgenError):
    """An option or argument that can't be right, whatever the files hold."""

    exit_status = 2


class InputError(SeqgenError):
    """Something in a file (or on stdin) that can't be read as what it should be.

    Args:
        message: what is wrong and what to do, without the place.
        path: the file as the user named it; ``"-"`` or None stands for standard input or a string.
        line: line, counted from 1.
        column: column in characters, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.line = line
        self.column = column
        place = ""
        if path is not None:
            place = "<stdin>" if str(path) == "-" else str(path)
        if line is not None:
            place = f"{place}:{line}" if place else f"line {line}"
            if column is not None:
                place += f":{column}"
        super().__init__(f"{place}: {message}" if place else message)


class CheckpointError(SeqgenError):
    """A model file that is missing, truncated, damaged, foreign or of another version."""


class TrainingError(SeqgenError):
    """Training can't start or go on."""


class OutputError(SeqgenError):
    """A result can't be written where it was asked for."""
