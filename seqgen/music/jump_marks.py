"""The marks of da capo, dal segno, coda and fine (4.14), as decorations or words over the music.

The standard has ``!D.C.!``, ``!dacoda!`` and so on; collections mostly have ``"D.C."`` or
``"^Fine"``, words in quotes, which mean the same. ``jumps`` says how they are played.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from seqgen.music.score import PLAIN, Attached, Bar, Chord, Item, LineBreak, Note, Rest, Spacer

__all__ = [
    "DECORATIONS",
    "Jump",
    "Mark",
    "bar_marks",
    "leaves_at_sign",
    "mark_of",
    "marked_bars",
    "signs_with_their_bars",
]


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
DECORATIONS: Final[dict[Mark, str]] = {
    "segno": "segno", "coda": "coda", "to coda": "dacoda", "fine": "fine",
    Jump("capo"): "D.C.", Jump("capo", "fine"): "D.C.alfine", Jump("capo", "coda"): "D.C.alcoda",
    Jump("segno"): "D.S.", Jump("segno", "fine"): "D.S.alfine", Jump("segno", "coda"): "D.S.alcoda",
}  # fmt: skip
"""How each mark is written between ``!`` marks."""

_NO_LETTERS = re.compile(r"[\s.]+")
_LONGEST = 32
_MARKED = (Note, Chord, Rest, Spacer)  # most are notes


@lru_cache(maxsize=1 << 12)
def mark_of(text: str) -> Mark | None:
    """What a decoration's name or words over the music say, None if no mark of this kind."""
    if len(text) > _LONGEST:
        return None
    return _MARKS.get(_NO_LETTERS.sub("", text).lower())


def _marks_of(attached: Attached) -> Iterator[Mark]:
    """The marks among decorations, annotations, and words written as chord symbols."""
    if not (attached.decorations or attached.chord_symbols or attached.annotations):
        return  # slurs, grace notes, lyrics
    for text in (
        *attached.decorations,
        *attached.chord_symbols,
        *(text[1:] for text in attached.annotations),
    ):
        mark = mark_of(text)
        if mark is not None:
            yield mark


def marked_bars(bars: Sequence[Bar]) -> list[int]:
    """The bars in which anything hangs on a note, without looking at what."""
    marked = []
    for index, bar in enumerate(bars):
        for item in bar.items:
            if isinstance(item, _MARKED) and item.attached is not PLAIN:
                break
        else:
            continue
        marked.append(index)
    return marked


def bar_marks(bar: Bar) -> Iterator[tuple[Mark, int, int]]:
    """Each mark of a bar; which bar, counted from this, it begins if it does, and ends if so."""
    found = [
        (at, mark)
        for at, item in enumerate(bar.items)
        if isinstance(item, _MARKED) and item.attached is not PLAIN
        for mark in _marks_of(item.attached)
    ]
    if not found:
        return
    events = [at for at, item in enumerate(bar.items) if isinstance(item, Note | Chord | Rest)]
    for at, mark in found:
        # Before the right bar line a sign begins the next bar, before the first note ends the last.
        begins = 1 if events and at > events[-1] else 0
        ends = -1 if len(events) > 1 and at <= events[0] else 0
        yield mark, begins, ends


def leaves_at_sign(bars: Sequence[Bar]) -> bool:
    """Whether the first coda sign of a voice is where one leaves for the second."""
    found = [mark for bar in bars for mark, _, _ in bar_marks(bar)]
    return "to coda" not in found and found.count("coda") > 1


def signs_with_their_bars(bars: Sequence[Bar]) -> list[Bar]:
    """The bars, a segno or coda written before a bar line moved after it, where it begins."""
    codas = (at for at, bar in enumerate(bars) for mark, _, _ in bar_marks(bar) if mark == "coda")
    leaving = next(codas, None) if leaves_at_sign(bars) else None
    kept: list[tuple[Item, ...]] = []
    carried: list[Item] = []
    for index, bar in enumerate(bars):
        end = len(bar.items)
        while end and isinstance(bar.items[end - 1], Spacer | LineBreak):
            end -= 1
        beginning: set[Mark] = {"segno"} if index == leaving else {"segno", "coda"}
        stays: list[Item] = [*carried, *bar.items[:end]]
        goes: list[Item] = []
        for item in bar.items[end:]:
            marks = set(_marks_of(item.attached)) if isinstance(item, Spacer) else set()
            moves = end and index + 1 < len(bars) and marks and marks <= beginning
            (goes if moves else stays).append(item)
        kept.append(tuple(stays))
        carried = goes
    return [bar._replace(items=items) for bar, items in zip(bars, kept, strict=True)]
