"""A voice as one sequence in the order in which it is written: items, bar lines, overlays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from seqgen.music.abc.formatting import format_bar_line
from seqgen.music.score import Bar, BarLine, Chord, Item, LineBreak, Note, Rest, Voice

__all__ = ["Boundary", "Overlay", "Piece", "pieces"]

# After these a repeat may begin on the next line; the two bar lines are read as one.
_DIVISIBLE = frozenset({"thin", "double", "start", "final"})


class Boundary(NamedTuple):
    """A bar line and the ending that begins after it."""

    line: BarLine
    passes: tuple[int, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        style, closes, opens = self.line
        line = "" if style == "none" and not closes and not opens else format_bar_line(self.line)
        if self.text:
            return f'{line} ["{self.text}"'.strip()
        numbers = ",".join(map(str, self.passes))
        if numbers and (style != "thin" or opens):
            return f"{line} [{numbers}".strip()
        return line + numbers


class Overlay(NamedTuple):
    """The ``&`` before a further layer of a bar; ``joined`` as the layer's first event is."""

    joined: bool


Piece: TypeAlias = Item | Boundary | Overlay


def pieces(voice: Voice) -> Iterator[Piece]:
    """Everything of a voice in its order."""
    left: Bar | None = None
    for bar in voice.bars:
        line = bar.left if left is None else left.right
        items = bar.items
        # A |: or an ending after the end of a line of music begins the next line; the bar line
        # before stays where it is, and both are read as one.
        divided = (
            bool(items)
            and isinstance(items[0], LineBreak)
            and line.style in _DIVISIBLE
            and bool(line.opens or bar.ending or bar.ending_text)
        )
        if divided:
            yield Boundary(line._replace(opens=0))
            yield LineBreak()
            opening = BarLine("thin", 0, line.opens) if line.opens else BarLine("none")
            yield Boundary(opening, bar.ending, bar.ending_text)
            items = items[1:]
        else:
            yield from _boundary(Boundary(line, bar.ending, bar.ending_text))
        yield from items
        for layer in bar.overlays:
            first = next((each for each in layer if isinstance(each, Note | Chord | Rest)), None)
            yield Overlay(isinstance(first, Note | Chord) and first.joined)
            yield from layer
        left = bar
    if left is not None:
        yield from _boundary(Boundary(left.right))


def _boundary(boundary: Boundary) -> Iterator[Boundary]:
    if f"{boundary}":
        yield boundary
