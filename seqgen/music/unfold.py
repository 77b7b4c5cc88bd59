"""The order in which the bars of a voice are played: repeats, endings and parts (3.1.9, 4.8-4.10).

The section numbers are those of the ABC standard 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seqgen.music.score import Bar, PartMark

__all__ = ["MAX_REPEATS", "final_pass", "part_order", "unfold"]

MAX_REPEATS = 64
"""How often a bar may be played, at most; the parser keeps repeats within it."""

_DOUBLE = ("double", "final", "start")
_PART = re.compile(r"([A-Za-z])\s*([0-9]*)|(\()|\)\s*([0-9]*)|[\s.]+|.", re.DOTALL)


def part_order(parts: str, limit: int) -> list[str]:
    """The letters a header's ``P:`` stands for: ``A(AB)3`` is A, A, B, A, B, A, B.

    Args:
        limit: how many letters to stop at, whatever the numbers ask for.
    """
    stack: list[list[str]] = [[]]
    for match in _PART.finditer(parts):
        letter, times, opening, group_times = match.groups()
        if letter:
            stack[-1] += [letter] * min(int((times or "1")[:4]), limit - len(stack[-1]))
        elif opening:
            stack.append([])
        elif group_times is not None and len(stack) > 1:
            group = stack.pop()
            enough = limit // max(1, len(group)) + 1
            stack[-1] += group * min(int((group_times or "1")[:4]), enough)
            del stack[-1][limit:]
    order = [letter for group in stack for letter in group]
    return order[:limit]


def unfold(bars: Sequence[Bar], parts: str = "") -> list[int]:
    """The indices of a voice's bars in the order they are played.

    "If an 'end of repeated section' is found without a previous 'start of repeated section',
    playback programs should restart the music from the beginning of the tune, or from the latest
    double bar line or end of repeated section" (4.8). A tune's first repeat takes the beginning, as
    notation programs and abc2midi do; a later one takes the latest of the other two.

    Args:
        bars: of one voice.
        parts: the tune's order of parts; ``""`` plays the bars as they stand.
    """
    starts = [
        (index, item.label[:1])
        for index, bar in enumerate(bars)
        for item in bar.items
        if isinstance(item, PartMark)
    ]
    order = part_order(parts, MAX_REPEATS * max(1, len(starts))) if starts else []
    if not order:
        return _unfold_section(bars, 0, len(bars))
    ends = [start for start, _ in starts[1:]] + [len(bars)]
    sections: dict[str, list[int]] = {}
    for (start, label), end in zip(starts, ends, strict=True):
        sections.setdefault(label, _unfold_section(bars, start, end))
    played = _unfold_section(bars, 0, starts[0][0])
    limit = MAX_REPEATS * len(bars)
    for label in order:
        played += sections.get(label, [])
        if len(played) > limit:
            break
    return played[:limit]


def _ends_ending(bars: Sequence[Bar], index: int) -> bool:
    """Whether an ending that is being played or skipped ends with this bar."""
    right = bars[index].right
    return bool(
        right.closes
        or right.opens
        or right.style in _DOUBLE
        or (index + 1 < len(bars) and (bars[index + 1].ending or bars[index + 1].ending_text))
    )


def _last_passes(bars: Sequence[Bar], begin: int, end: int) -> list[int]:
    """For each bar, the highest pass among the endings of the repeat it stands in."""
    passes = [0] * (end - begin)
    highest, first = 0, begin
    for index in range(begin, end):
        highest = max((highest, *bars[index].ending))
        following = bars[index + 1] if index + 1 < end else None
        right = bars[index].right
        if following is None or (
            not following.ending
            and (right.opens or (highest and _ends_ending(bars, index)) or right.closes)
        ):
            for each in range(first, index + 1):
                passes[each - begin] = highest
            highest, first = 0, index + 1
    return passes


def final_pass(bars: Sequence[Bar]) -> list[int]:
    """The bars as they are played for the last time: each once, the last of several endings."""
    last_passes = _last_passes(bars, 0, len(bars))
    played: list[int] = []
    skips = False
    for index, bar in enumerate(bars):
        if bar.ending:
            skips = last_passes[index] not in bar.ending
        if not skips:
            played.append(index)
        skips = skips and not _ends_ending(bars, index)
    return played


def _unfold_section(bars: Sequence[Bar], begin: int, end: int) -> list[int]:
    played: list[int] = []
    last_passes = _last_passes(bars, begin, end)
    start, number = begin, 1  # where a repeat goes back to, and the pass that is being played
    opened = False  # whether |: said so
    in_ending = False
    repeated = False  # whether a repeat or ending was met: from there on a double bar counts
    index = begin
    while index < end:
        bar = bars[index]
        if bar.left.opens:
            opened = True
            if index != start:
                start, number, in_ending = index, 1, False
        if bar.ending and number not in bar.ending:
            while not _ends_ending(bars, index) and index + 1 < end:
                index += 1
            index += 1
            in_ending = False
            if index < end and not bars[index].ending:
                start, number, opened = index, 1, False
            continue
        played.append(index)
        in_ending = in_ending or bool(bar.ending)
        repeated = repeated or in_ending or bool(bar.right.closes)
        last = last_passes[index - begin]
        if bar.right.closes and number < (last if last > 1 else bar.right.closes):
            index, number, in_ending = start, number + 1, False
            continue
        index += 1
        ends_group = in_ending and _ends_ending(bars, index - 1)
        if index < end and bars[index].ending and not bar.right.closes:
            continue
        divides = repeated and not opened and number == 1 and bar.right.style in _DOUBLE
        if bar.right.closes or ends_group or divides:
            start, number, opened, in_ending = index, 1, False, False
    return played
