"""Da capo, dal segno, coda and fine (4.14): where a voice goes back to, and where it ends.

The standard names the marks and leaves their playing to programs; this follows what notation
programs have in common. Going back, repeats are not taken again and the last ending is played, as
MuseScore and Dorico do unless told otherwise and MusicXML has it (``after-jump``). A segno or a
coda begins a bar; D.C., D.S., "To Coda" and Fine are obeyed at the end of theirs, after its
repeats, wherever in the bar they are written. abc2midi ignores all of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from seqgen.music.score import PLAIN, Attached, Bar, Chord, Note, PartMark, Rest, Spacer
from seqgen.music.unfold import MAX_REPEATS, final_pass, unfold

__all__ = ["Jump", "Mark", "Route", "mark_of", "marks_of", "missing_marks", "play_order", "route"]


class Jump(NamedTuple):
    """An instruction to go back.

    Args:
        to: ``"capo"``, the beginning, or ``"segno"``.
        until: ``"fine"`` or ``"coda"``; ``""`` for a plain D.C. or D.S., which heeds either.
    """

    to: Literal["capo", "segno"]
    until: Literal["", "fine", "coda"] = ""


Mark: TypeAlias = Literal["segno", "coda", "to coda", "fine"] | Jump
"""What a mark means; of two coda signs, the first is where one leaves for the second."""

# By their letters alone: D.C.alfine, D.C. al Fine, DC al fine.
_SIGNS: dict[str, Mark] = {
    "segno": "segno", "coda": "coda", "fine": "fine",
    "tocoda": "to coda", "dacoda": "to coda", "alcoda": "to coda",
}  # fmt: skip
_PLACES: dict[str, Literal["capo", "segno"]] = {
    "dc": "capo", "dacapo": "capo", "ds": "segno", "dalsegno": "segno", "dasegno": "segno",
}  # fmt: skip
_ENDS: dict[str, Literal["", "fine", "coda"]] = {"": "", "alfine": "fine", "alcoda": "coda"}
_MARKS = _SIGNS | {
    name + ending: Jump(to, until)
    for name, to in _PLACES.items()
    for ending, until in _ENDS.items()
}
_NO_LETTERS = re.compile(r"[\s.]+")
_LONGEST = 32


@lru_cache(maxsize=1 << 12)
def mark_of(text: str) -> Mark | None:
    """What a decoration's name or words over the music say, None if no mark of this kind."""
    if len(text) > _LONGEST:
        return None
    return _MARKS.get(_NO_LETTERS.sub("", text).lower())


def marks_of(attached: Attached) -> Iterator[Mark]:
    """The marks among decorations, annotations, and words written as chord symbols."""
    for text in (
        *attached.decorations,
        *attached.chord_symbols,
        *(text[1:] for text in attached.annotations),
    ):
        mark = mark_of(text)
        if mark is not None:
            yield mark


def missing_marks(marks: Iterable[Mark]) -> Iterator[tuple[Mark, str]]:
    """The marks of a voice that lead nowhere, and what is wrong with each."""
    found = set(marks)
    for mark in found:
        if not isinstance(mark, Jump):
            continue
        if mark.to == "segno" and "segno" not in found:
            yield mark, "D.S. goes back to a !segno!, and there is none; it is not played"
        elif mark.until == "coda" and "coda" not in found:
            yield mark, "al Coda needs a !coda! to go to, and there is none"
        elif mark.until == "fine" and "fine" not in found:
            yield mark, "al Fine needs a !fine! to end at, and there is none"


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
    for index, bar in enumerate(bars):
        for mark, begins, ends in _bar_marks(bar):
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
    if not leaves and len(signs) > 1:
        leaves.add(signs.pop(0)[1])
    codas = tuple(begins for begins, _ in signs)
    return Route(jumps, tuple(segni), codas, frozenset(leaves), frozenset(fines))


def _bar_marks(bar: Bar) -> Iterator[tuple[Mark, int, int]]:
    """Each mark of a bar; which bar, counted from this, it begins if it does, and ends if so."""
    marked = [
        (at, item.attached)
        for at, item in enumerate(bar.items)
        if isinstance(item, Note | Chord | Rest | Spacer) and item.attached is not PLAIN
    ]
    found = [(at, mark) for at, attached in marked for mark in marks_of(attached)]
    if not found:
        return
    events = [at for at, item in enumerate(bar.items) if isinstance(item, Note | Chord | Rest)]
    for at, mark in found:
        # Before the right bar line a sign begins the next bar, before the first note ends the last.
        begins = 1 if events and at > events[-1] else 0
        ends = -1 if len(events) > 1 and at <= events[0] else 0
        yield mark, begins, ends


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
    """By the bar of a jump, the bar it goes to: the beginning, or the last segno with music after.

    A D.S. without a segno before it goes nowhere.
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
        elif nearest := bisect_right(guide.segni, sounding):
            targets[index] = guide.segni[nearest - 1]
    return targets


def _go_back(
    guide: Route, until: Literal["", "fine", "coda"], target: int, final: Sequence[int]
) -> Iterator[int]:
    """The bars from where a jump leads, over the coda if it is taken, to Fine or the end."""
    coda = next((each for each in guide.codas if each > target), None)
    to_coda = until != "fine" and coda is not None and bool(guide.leaves)
    to_fine = until != "coda" or not to_coda
    place = bisect_left(final, target)
    while place < len(final):
        index = final[place]
        yield index
        place += 1
        if to_fine and index in guide.fines:
            return
        if to_coda and coda is not None and index in guide.leaves:
            to_coda, to_fine = False, True
            place = bisect_left(final, coda)
