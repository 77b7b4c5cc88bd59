"""Bar lines, endings, and whether bars fill their metre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import lcm
from typing import TypeAlias

from seqgen.music.abc.values import Steps, from_steps, in_steps
from seqgen.music.diagnostics import Severity
from seqgen.music.score import BarLine, Item, Meter, PartMark, Rest

__all__ = ["BarStart", "OpenBar", "Report", "check_bars", "parse_bar_line", "parse_passes"]

Report: TypeAlias = Callable[[str, Severity, str, int, int], None]
"""Called with a diagnostic's code, severity, message, offset and length."""

BarStart = BarLine("none")

_MAX_PASSES = 64
_WITHIN = ("dotted", "invisible", "none")  # lines that stand within a bar


@dataclass(slots=True)
class OpenBar:
    """A bar while its voice is read: its layers can still take lyrics, its right line repeat dots.

    Args:
        layers: the items and length in steps of each.
        offset: of its first character; end: of its bar line.
        meter: in force at its end.
    """

    left: BarLine
    right: BarLine
    layers: list[tuple[list[Item], Steps]]
    ending: tuple[int, ...]
    ending_text: str
    offset: int
    end: int
    meter: Meter


@lru_cache(maxsize=1 << 12)
def parse_bar_line(text: str) -> tuple[BarLine, tuple[int, ...], int]:
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


def check_bars(bars: list[OpenBar], report: Report) -> None:
    """Report every bar that doesn't fill its metre, and every overlay unlike its bar.

    A bar at the edge of a section (the tune's ends, a repeat, an ending, a double bar, a part) may
    be short: an upbeat and the bar that completes it stand there. Pieces that only a dotted or
    invisible bar line, or none, divides make one bar.
    """
    pieces: list[OpenBar] = []
    total: Steps = 0  # of the pieces
    meter: Meter | None = None
    full: Steps | None = None
    for index, bar in enumerate(bars):
        if bar.meter is not meter:
            meter = bar.meter
            full = None if meter.duration is None else in_steps(meter.duration)
        length = bar.layers[0][1]
        divided = bar.right.style in _WITHIN
        if length == full and not divided and not pieces and len(bar.layers) == 1:
            continue  # as nearly every bar
        for _, other in bar.layers[1:]:
            if other != length:
                report(
                    "overlay",
                    Severity.WARNING,
                    f"a layer after & lasts {_in_units(other, bar.meter)}, its bar "
                    f"{_in_units(length, bar.meter)}; they should last equally long",
                    bar.offset,
                    max(1, bar.end - bar.offset),
                )
        pieces.append(bar)
        total += length
        following = bars[index + 1] if index + 1 < len(bars) else None
        if divided and following is not None:
            continue
        if full is not None and total and total != full:
            before = index - len(pieces)
            # Marks alone between two bar lines are no bar: the section begins after them.
            marks = before >= 0 and not bars[before].layers[0][1] and _is_edge(bars[before].left)
            first = before < 0 or marks
            _check_bar(pieces, total, following, report, short=total < full, first=first)
        pieces, total = [], 0


def _check_bar(
    pieces: list[OpenBar],
    length: Steps,
    following: OpenBar | None,
    report: Report,
    *,
    short: bool,
    first: bool,
) -> None:
    """Report a bar that is not as long as its metre, unless it may be so."""
    at_edge = (
        first
        or _is_edge(pieces[0].left)
        or _is_edge(pieces[-1].right)
        or bool(pieces[0].ending)
        or (following is not None and bool(following.ending))
    )
    if short and at_edge:
        return
    items = pieces[0].layers[0][0]
    if any(isinstance(item, Rest) and item.bars for item in items):
        return
    if short and any(isinstance(item, PartMark) for item in items):
        return
    meter = pieces[-1].meter
    report(
        "bar-length",
        Severity.WARNING,
        f"this bar lasts {_in_units(length, meter)}, the metre is {meter}",
        pieces[0].offset,
        max(1, pieces[-1].end - pieces[0].offset),
    )


def _is_edge(line: BarLine) -> bool:
    return line.style != "thin" or line.closes > 0 or line.opens > 0


def _in_units(length: Steps, meter: Meter) -> str:
    duration = from_steps(length)
    unit = lcm(duration.denominator, meter.unit)
    return f"{duration.numerator * (unit // duration.denominator)}/{unit}"
