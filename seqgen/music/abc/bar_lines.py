"""What bar lines and the numbers of endings mean, from their text alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from seqgen.music.signs import BarLine

__all__ = ["BarStart", "BarText", "parse_bar_line", "parse_passes"]

BarStart = BarLine("none")

BarText: TypeAlias = tuple[BarLine, tuple[int, ...], int]
"""What a bar line's text means: see :func:`parse_bar_line`."""

_MAX_PASSES = 64


@lru_cache(maxsize=1 << 12)
def parse_bar_line(text: str) -> BarText:
    """What a bar line with blanks around it means (4.8 to 4.10).

    Returns:
        The line, the passes of the ending that begins after it, and how many blanks precede it.
    """
    line = text.strip()
    marks = line.rstrip("0123456789,-")
    numbers = line[len(marks) :]
    closes = len(marks) - len(marks.lstrip(":"))
    opens = marks.count(":") - closes
    if closes == len(marks):  # :: alone is both
        opens = closes = max(1, closes // 2)
    core = marks.replace(":", "")
    if core == "[|]":
        style = "invisible"
    elif core.startswith("."):
        style = "dotted"
    elif "]" in core:
        style = "final"
    elif "[" in core:
        style = "start"
    else:
        style = "double" if len(core) > 1 else "thin"
    meaning = BarLine(
        style,
        min(closes + 1, _MAX_PASSES) if closes else 0,
        min(opens + 1, _MAX_PASSES) if opens else 0,
    )
    return meaning, parse_passes(numbers), text.index(line)


def parse_passes(numbers: str) -> tuple[int, ...]:
    """The passes an ending is played on: ``1,3`` or ``1-3`` (4.10); those above 64 are dropped."""
    passes: set[int] = set()
    for part in numbers.split(","):
        ends = [int(end[:4]) for end in part.split("-") if end]
        if ends:
            passes.update(range(ends[0], min(ends[-1], _MAX_PASSES) + 1))
    return tuple(sorted(number for number in passes if 0 < number <= _MAX_PASSES))
