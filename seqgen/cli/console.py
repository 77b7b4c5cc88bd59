"""What commands say besides their payload: always on stderr, plainly, or not at all."""

from __future__ import annotations

import enum
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Color",
    "Debug",
    "Quiet",
    "Verbose",
    "When",
    "coloured",
    "console",
    "debugging",
    "detail",
    "parse_duration",
    "printable",
    "put",
    "quiet",
    "remark",
    "say",
]

_settings = {"verbose": False, "debug": False, "quiet": False}

# A terminal acts on control characters; a title from a stranger's file must only be shown.
# Surrogates stand for bytes that are no text; sent as they were, a byte could be such a character.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def _setter(name: str) -> Callable[[bool], None]:
    def set_value(value: bool) -> None:
        if value:
            _settings[name] = True

    return set_value


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_setter("verbose"),
        expose_value=False,
        help="Say more on stderr.",
    ),
]


def _set_quiet(value: bool) -> None:
    _settings["quiet"] = value


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        callback=_set_quiet,
        expose_value=False,
        help="Nothing on stderr but errors.",
    ),
]


class When(enum.StrEnum):
    """When there is to be colour: ``auto`` is in a terminal, unless NO_COLOR is set."""

    auto = "auto"
    always = "always"
    never = "never"


_colour = {"when": When.auto}


def _set_colour(value: When) -> None:
    _colour["when"] = value


Color = Annotated[
    When,
    typer.Option(
        "--color",
        callback=_set_colour,
        expose_value=False,
        help="When to use colours; auto: in a terminal, unless NO_COLOR is set.",
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_setter("debug"),
        expose_value=False,
        help="On an error, print the traceback too.",
    ),
]


def debugging() -> bool:
    """Whether errors should show their traceback."""
    return _settings["debug"]


def say(text: str) -> None:
    """A line for the user, on stderr, made printable: it may name a stranger's file or tune.

    Nothing where that is full or closed.
    """
    try:
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 -- where it happens
    except OSError:  # what was to be done is done all the same, and counts for the exit status
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- stays open


def put(payload: str | bytes) -> None:
    """A command's result, on stdout: as it is, but on a terminal made printable.

    Text is UTF-8 whatever the locale says, and bytes that are no text come out as they went in.
    """
    data = payload if isinstance(payload, bytes) else payload.encode("utf-8", "surrogateescape")
    if sys.stdout.isatty():
        data = printable(data.decode("utf-8", "replace")).encode()
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        error.filename = "stdout"
        raise


def quiet() -> bool:
    """Whether nothing is to be said but errors."""
    return _settings["quiet"]


def coloured() -> dict[str, Any]:
    """What --color asks of a console on stderr: arguments for rich's Console."""
    return {} if _colour["when"] is When.auto else {"no_color": _colour["when"] is When.never}


def console(**options: Any) -> Console:
    """A console on stdout, with colours as --color says.

    Args:
        options: of rich's Console.
    """
    from rich.console import Console

    if _colour["when"] is When.always and not sys.stdout.isatty():
        options |= {"force_terminal": True, "color_system": "256"}
    return Console(**coloured(), **options)


def remark(text: str) -> None:
    """A line for the user who did not ask for quiet."""
    if not _settings["quiet"]:
        say(text)


def detail(text: str) -> None:
    """A line for the user who asked for more with -v."""
    if _settings["verbose"]:
        say(text)


def printable(text: str) -> str:
    """A text whose control characters, but newline and tab, show as U+FFFD."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


_DURATION = re.compile(
    r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?"
)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``90``, ``90s``, ``5m`` or ``1h30m``.

    Raises:
        UsageError: it is no duration, or not above zero.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    parts = {unit: float(n) for unit, n in match.groupdict().items() if n} if match else {}
    seconds = sum(n * {"h": 3600, "m": 60, "s": 1}[unit] for unit, n in parts.items())
    if not 0 < seconds < math.inf:
        raise UsageError(f"'{text}' is no duration; write 90s, 5m or 1h30m")
    return seconds
