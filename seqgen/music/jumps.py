"""The order of bars with da capo, dal segno, coda and fine: where a voice goes back to, and ends.

The standard (4.14) names the marks and leaves their playing to programs; this follows what notation
programs have in common. Going back, repeats are not taken again and the last ending is played, as
MuseScore and Dorico do unless told otherwise and MusicXML has it (``after-jump``). A segno or a
coda begins a bar; D.C., D.S., "To Coda" and Fine are obeyed at the end of theirs, after its
repeats, wherever in the bar they are written. abc2midi ignores all of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from seqgen.music.jump_marks import Jump, bar_marks, marked_bars
from seqgen.music.score import Bar, PartMark
from seqgen.music.unfold import MAX_REPEATS, final_pass, unfold

__all__ = ["Route", "play_order", "route", "together"]


@dataclass(frozen=True, slots=True)
class Route:
    """The marks of a voice by its bars' indices.

    Args:
        jumps: what to do after a bar.
        segni: bars that a segno begins; codas: that a coda begins; in order.
        leaves: bars after which one leaves for the coda.
        fines: bars after which the music ends.
    """

    jumps: dict[int, Jump]
    segni: tuple[int, ...] = ()
    codas: tuple[int, ...] = ()
    leaves: frozenset[int] = frozenset()
    fines: frozenset[int] = frozenset()


def route(bars: Sequence[Bar]) -> Route:
    """Find the marks of a voice."""
    jumps: dict[int, Jump] = {}
    segni: list[int] = []
    signs: list[tuple[int, int]] = []  # of each coda sign, the bar it would begin and end
    leaves: set[int] = set()
    fines: set[int] = set()
    for index in marked_bars(bars):
        for mark, begins, ends in bar_marks(bars[index]):
            if isinstance(mark, Jump):
                jumps[index] = mark
            elif mark == "fine":
                fines.add(index)
            elif mark == "to coda":
                leaves.add(index)
            elif mark == "segno":
                segni.append(index + begins)
            else:
                signs.append((index + begins, index + ends))
    if not leaves and len(signs) > 1:  # as ``leaves_at_sign``
        leaves.add(signs.pop(0)[1])
    codas = tuple(begins for begins, _ in signs)
    return Route(jumps, tuple(segni), codas, frozenset(leaves), frozenset(fines))


def together(routes: Sequence[Route]) -> Route:
    """The marks of several voices with the same bars: what one of them has holds for all."""
    return Route(
        {at: jump for each in routes for at, jump in each.jumps.items()},
        tuple(sorted({at for each in routes for at in each.segni})),
        tuple(sorted({at for each in routes for at in each.codas})),
        frozenset().union(*(each.leaves for each in routes)),
        frozenset().union(*(each.fines for each in routes)),
    )


def play_order(bars: Sequence[Bar], parts: str = "", guide: Route | None = None) -> list[int]:
    """The indices of a voice's bars in the order they are played, jumps made.

    Each D.C. and D.S. is obeyed once. At Fine the music ends, unless a later jump has not been made
    yet: then it goes on after the one that led there, so that A Fine B D.C. C D.C. is A B A C A.
    A header's P: that orders parts says all of this already; then no jump is made.

    Args:
        bars: of one voice.
        parts: the tune's order of parts; ``""`` plays the bars as they stand.
        guide: the marks to follow, where they stand in another voice.
    """
    order = unfold(bars, parts)
    guide = route(bars) if guide is None else guide
    targets = _targets(bars, guide)
    if not targets or (parts.strip() and _has_parts(bars)):
        return order
    limit = MAX_REPEATS * len(bars)
    last_time = {index: place for place, index in enumerate(order)}
    last_jump = max(targets)
    final = final_pass(bars)
    made: set[int] = set()
    played: list[int] = []
    for place, index in enumerate(order):
        played.append(index)
        if index not in targets or index in made or last_time[index] != place:
            continue
        origin: int | None = index
        at_fine = False
        while origin is not None and len(played) < limit:
            made.add(origin)
            going = _go_back(guide, guide.jumps[origin].until, targets[origin], final)
            origin = None
            for each in going:
                played.append(each)
                if each in targets and each not in made:
                    origin = each
                    break
            at_fine = origin is None and played[-1] in guide.fines
        if not at_fine or last_jump <= index or last_jump in made:
            break
    return played[:limit]


def _has_parts(bars: Sequence[Bar]) -> bool:
    return any(isinstance(item, PartMark) for bar in bars for item in bar.items)


def _targets(bars: Sequence[Bar], guide: Route) -> dict[int, int]:
    """By the bar of a jump, the bar it goes to: the beginning, or the last segno before that bar.

    Some collections write the segno a second time beside the D.S., where it begins nothing. A D.S.
    without a segno before it goes nowhere.
    """
    targets: dict[int, int] = {}
    sounding = -1
    for index, bar in enumerate(bars if guide.jumps else ()):
        if bar.events:
            sounding = index
        jump = guide.jumps.get(index)
        if jump is None or sounding < 0:
            continue
        if jump.to == "capo":
            targets[index] = 0
        elif nearest := (bisect_left(guide.segni, sounding) or bisect_right(guide.segni, sounding)):
            targets[index] = guide.segni[nearest - 1]
    return targets


def _go_back(
    guide: Route, until: Literal["", "fine", "coda"], target: int, final: Sequence[int]
) -> Iterator[int]:
    """The bars from where a jump leads, over the coda if it is taken, to Fine or the end."""
    first = bisect_right(guide.codas, target)
    codas = guide.codas[first : first + 1]
    to_coda = until != "fine" and bool(codas) and bool(guide.leaves)
    to_fine = until != "coda" or not to_coda
    place = bisect_left(final, target)
    while place < len(final):
        index = final[place]
        yield index
        place += 1
        if to_fine and index in guide.fines:
            return
        if to_coda and index in guide.leaves:
            to_coda, to_fine = False, True
            place = bisect_left(final, codas[0])
