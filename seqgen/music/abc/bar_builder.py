"""Builds the bars of one voice: layers, endings, and what each bar line closes and opens."""

from __future__ import annotations

from seqgen.music.abc.bars import BarStart, OpenBar, Report, check_bars
from seqgen.music.abc.values import Steps
from seqgen.music.score import Bar, BarLine, Item, LineBreak, Meter

__all__ = ["BarBuilder"]

_LINE_BREAK = LineBreak()
_STYLES = ("none", "invisible", "dotted", "thin", "double", "start", "final")


class BarBuilder:
    """The bars of one voice as it is read.

    Attributes:
        items: of the layer that is being read; the reader adds to it,
        steps: and to its length.
        meter: in force.
    """

    __slots__ = (
        "_bars",
        "_ending",
        "_ending_text",
        "_layers",
        "_left",
        "_line_bar",
        "_line_item",
        "items",
        "meter",
        "offset",
        "steps",
    )

    def __init__(self, meter: Meter) -> None:
        self.items: list[Item] = []
        self.steps: Steps = 0
        self.meter = meter
        self.offset = -1  # of the bar's first item; -1 before it
        self._layers: list[tuple[list[Item], Steps]] = []
        self._bars: list[OpenBar] = []
        self._left = BarStart
        self._ending: tuple[int, ...] = ()
        self._ending_text = ""
        self._line_bar = self._line_item = 0

    def add(self, item: Item, offset: int) -> None:
        """Add something that takes no time."""
        if self.offset < 0:
            self.offset = offset
        self.items.append(item)

    def overlay(self) -> bool:
        """Begin another layer of this bar (7.4); False if there is nothing to lay it over."""
        held = self._layers or any(not isinstance(item, LineBreak) for item in self.items)
        if not held:
            return False
        self._layers.append((self.items, self.steps))
        self.items = []
        self.steps = 0
        return True

    def is_empty(self) -> bool:
        """Whether nothing but line breaks followed the last bar line."""
        if self.steps or self._layers or self._ending:
            return False
        return not self.items or all(isinstance(item, LineBreak) for item in self.items)

    def end(self, line: BarLine, offset: int, ending: tuple[int, ...], ending_text: str) -> None:
        """End the bar with ``line``; ``ending`` is that of the music after it."""
        if not self.steps and self.is_empty():
            self._merge(line)
        else:
            self._close(line, offset)
        if ending or ending_text:
            self._ending, self._ending_text = ending, ending_text
            if self.offset < 0:
                self.offset = offset

    def _merge(self, line: BarLine) -> None:
        """Two bar lines with nothing between them are one."""
        left = self._left
        style = max(left.style, line.style, key=_STYLES.index)
        merged = BarLine(style, max(left.closes, line.closes), max(left.opens, line.opens))
        self._left = merged
        if self._bars:
            self._bars[-1].right = merged

    def _close(self, line: BarLine, offset: int) -> None:
        self._layers.append((self.items, self.steps))
        self._bars.append(
            OpenBar(
                self._left,
                line,
                self._layers,
                self._ending,
                self._ending_text,
                offset if self.offset < 0 else self.offset,
                offset,
                self.meter,
            )
        )
        self._left = line
        self._layers = []
        self._ending, self._ending_text = (), ""
        self.items = []
        self.steps = 0
        self.offset = -1

    # -- lines of music

    def begin_line(self) -> None:
        """Here a line of music begins, to which following lyrics belong."""
        self._line_bar, self._line_item = len(self._bars), len(self.items)

    def break_line(self) -> None:
        """Here a line of the printed score ends, unless nothing has been added since the last."""
        last = self.items[-1] if self.items else None
        if not isinstance(last, LineBreak) and (last is not None or self._bars):
            self.items.append(_LINE_BREAK)

    def line_layers(self) -> list[tuple[list[Item], int]]:
        """The items of each bar since that line began, and where in the first it began."""
        open_items = self._layers[0][0] if self._layers else self.items
        layers = [bar.layers[0][0] for bar in self._bars[self._line_bar :]]
        return [
            (items, self._line_item if index == 0 else 0)
            for index, items in enumerate([*layers, open_items])
        ]

    def finish(self, offset: int, report: Report) -> tuple[Bar, ...]:
        """All bars; reports what is wrong with them."""
        while self.items and isinstance(self.items[-1], LineBreak):
            self.items.pop()
        if self.items or self._layers or self._ending:
            self._close(BarLine("none"), offset)
        check_bars(self._bars, report)
        return tuple(
            [
                Bar(
                    bar.left,
                    bar.right,
                    tuple(bar.layers[0][0]),
                    tuple([tuple(items) for items, _ in bar.layers[1:]]) if bar.layers[1:] else (),
                    bar.ending,
                    bar.ending_text,
                    bar.offset,
                )
                for bar in self._bars
            ]
        )
