"""Bar lines, endings, and whether bars fill their metre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import lcm
from typing import NamedTuple, TypeAlias

from seqgen.music.abc.values import Steps, in_steps, ratio
from seqgen.music.diagnostics import Severity
from seqgen.music.score import Bar, BarLine, Meter, PartMark, Rest

__all__ = [
    "OddBar",
    "Report",
    "check_bars",
    "full_steps",
]

Report: TypeAlias = Callable[[str, Severity, str, int, int], None]
"""Called with a diagnostic's code, severity, message, offset and length."""

_PLAIN_LINE = BarLine("thin")

WITHIN = frozenset({"dotted", "invisible", "none"})
"""Styles of bar lines that stand within a bar."""


class OddBar(NamedTuple):
    """A bar that does not fill its metre all by itself, as nearly every bar does.

    Args:
        number: of the bar in its voice, from 0.
        lengths: of its layers.
        end: where its bar line stands.
        meter: in force at its end.
    """

    number: int
    lengths: tuple[Steps, ...]
    end: int
    meter: Meter


def full_steps(meter: Meter) -> Steps | None:
    """How long a bar is; None in a free metre."""
    duration = meter.duration
    return None if duration is None else in_steps(duration)


def check_bars(bars: Sequence[Bar], odd_bars: Sequence[OddBar], report: Report) -> None:
    """Report every bar that doesn't fill its metre, and every overlay unlike its bar.

    A bar at the edge of a section (the tune's ends, a repeat, an ending, a double bar, a part) may
    be short: an upbeat and the bar that completes it stand there. Pieces that only a dotted or
    invisible bar line, or none, divides make one bar.

    Args:
        odd_bars: those that may be at fault: shorter or longer than their metre, in pieces, or
            with overlays. The others are not looked at.
    """
    pieces: list[OddBar] = []
    total: Steps = 0  # of the pieces
    before: OddBar | None = None  # the pieces
    known: Meter | None = None
    full: Steps | None = None
    for odd in odd_bars:
        bar, length, meter = bars[odd.number], odd.lengths[0], odd.meter
        for other in odd.lengths[1:]:
            if other != length:
                report(
                    "overlay",
                    Severity.WARNING,
                    f"a layer after & lasts {_in_units(other, meter.unit)}, its bar "
                    f"{_in_units(length, meter.unit)}; they should last equally long",
                    bar.offset,
                    max(1, odd.end - bar.offset),
                )
        pieces.append(odd)
        total += length
        following = bars[odd.number + 1] if odd.number + 1 < len(bars) else None
        if bar.right.style in WITHIN and following is not None:
            continue
        if known is not meter:
            known, full = meter, full_steps(meter)
        if full is not None and total and total != full:
            index = pieces[0].number - 1
            # Marks alone between two bar lines are no bar: the section begins after them.
            marks = (
                before is not None
                and before.number == index
                and not before.lengths[0]
                and _is_edge(bars[index].left)
            )
            first = index < 0 or marks
            _check_bar(bars, pieces, total, report, short=total < full, first=first)
        pieces, total, before = [], 0, odd


def _check_bar(
    bars: Sequence[Bar],
    pieces: list[OddBar],
    length: Steps,
    report: Report,
    *,
    short: bool,
    first: bool,
) -> None:
    """Report a bar that is not as long as its metre, unless it may be so."""
    begin, last = bars[pieces[0].number], pieces[-1]
    following = last.number + 1
    if short and (
        first
        or _is_edge(begin.left)
        or _is_edge(bars[last.number].right)
        or begin.ending
        or (following < len(bars) and bars[following].ending)
    ):
        return
    for item in begin.items:
        if isinstance(item, Rest) and item.bars:
            return
        if short and isinstance(item, PartMark):
            return
    report(
        "bar-length",
        Severity.WARNING,
        f"this bar lasts {_in_units(length, last.meter.unit)}, the metre is {last.meter}",
        begin.offset,
        max(1, last.end - begin.offset),
    )


def _is_edge(line: BarLine) -> bool:
    return line != _PLAIN_LINE


@lru_cache(maxsize=1 << 10)
def _in_units(length: Steps, unit: int) -> str:
    """A length as a fraction of a whole note with a metre's unit, or less, under it."""
    numerator, denominator = ratio(length)
    unit = lcm(denominator, unit)
    return f"{numerator * (unit // denominator)}/{unit}"
