"""What a parameter's text on the command line means, where that is plain.

Typer asks Pydantic, which takes longer to load than all else that stands between the command line
and a command.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

__all__ = ["read_plainly"]


def read_plainly(parameter: Any) -> Any:
    """Have one of Typer's parameters read plain values itself, as Typer would; returns it.

    All others, and so all errors, stay Typer's; and so does everything if it has no such reader.
    But a file's empty name is refused, which pathlib would have mean the current folder.
    """
    own = "get_runtime_param"
    if hasattr(parameter, own) and own not in vars(parameter):
        reader = _Reader(parameter.type_descriptor, parameter.get_runtime_param)
        parameter.get_runtime_param = lambda: reader
    return parameter


class _Reader:
    """Stands for Typer's own, which is made when it is first needed."""

    def __init__(self, described: Any, thorough: Callable[[], Any]) -> None:
        self._kind = described.annotation
        info = described.parameter_info
        self._low, self._high = info.min, info.max
        self._plain = not (info.parser or info.clamp)
        self._thorough = thorough

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value of a text, or of several; see Typer's ``RuntimeParam``."""
        if value == "" and self._kind is Path:
            raise typer.BadParameter("an empty name; name a file or a folder", ctx, param)
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        try:
            if self._plain:
                return self._several(value) if several else self._read(self._kind, value)
        except ValueError:
            pass  # Typer is to say what is wrong, if anything is
        return self._thorough().coerce(value, param=param, ctx=ctx)

    def _several(self, values: Any) -> list[Any]:
        if get_origin(self._kind) is not list or not isinstance(values, (list, tuple)):
            raise ValueError
        return [self._read(get_args(self._kind)[0], value) for value in values]

    def _read(self, kind: Any, value: Any) -> Any:
        """Raises ValueError: it is not plain what the value is."""
        if kind is str and isinstance(value, str):
            return value
        if kind in (int, float):
            number = value if type(value) is kind else kind(_digits(value, kind))
            if self._low is not None and number < self._low:
                raise ValueError
            if self._high is not None and number > self._high:
                raise ValueError
            return number
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return kind(value)
        raise ValueError


def _digits(value: Any, kind: type) -> str:
    """The text of a decimal number without a sign, as it was."""
    if isinstance(value, str) and value.isascii():
        digits = value.replace(".", "", 1) if kind is float else value
        if digits.isdigit():
            return value
    raise ValueError
