"""Builds the bars of one voice: layers, endings, and what each bar line closes and opens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from seqgen.music.abc.bar_lines import BarStart
from seqgen.music.abc.bars import WITHIN, OddBar, Report, check_bars, full_steps
from seqgen.music.abc.lyrics import Layers
from seqgen.music.abc.values import Steps
from seqgen.music.score import EVENTS, Bar, BarLine, Chord, Event, Item, LineBreak, Meter

__all__ = ["BarBuilder"]

_LINE_BREAK = LineBreak()
_NEAR = 8  # items that are searched; what stands further apart is not meant
_STYLES = ("none", "invisible", "dotted", "thin", "double", "start", "final")


class BarBuilder:
    """The bars of one voice as it is read.

    Attributes:
        items: of the layer that is being read; the reader adds to it,
        steps: and to its length.
        offset: of the bar's first item; -1 before it.
        meter: in force.
    """

    __slots__ = (
        "_bars",
        "_divides",
        "_ending",
        "_ending_text",
        "_full",
        "_layers",
        "_left",
        "_line_bar",
        "_line_item",
        "_odd_bars",
        "items",
        "meter",
        "offset",
        "steps",
    )

    def __init__(self, meter: Meter) -> None:
        self.items: list[Item] = []
        self.steps: Steps = 0
        self.offset = -1
        self._layers: list[tuple[list[Item], Steps]] = []
        self._bars: list[Bar] = []
        self._odd_bars: list[OddBar] = []
        self._left = BarStart
        self._divides = False  # the line before it, and so its bar
        self._ending: tuple[int, ...] = ()
        self._ending_text = ""
        self._line_bar = self._line_item = 0
        self.set_meter(meter)

    def set_meter(self, meter: Meter) -> None:
        """Change the metre from here on."""
        self.meter = meter
        self._full = full_steps(meter)

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
        steps, left = self.steps, self._left
        if steps == 0 and self.is_empty():
            self._merge(line)
        else:
            items = tuple(self.items)
            overlays: tuple[tuple[Item, ...], ...] = ()
            divides = line.style in WITHIN
            if steps != self._full or divides or self._divides or self._layers:
                lengths: tuple[Steps, ...] = (steps,)
                if self._layers:
                    lengths = *[length for _, length in self._layers], steps
                    (first, _), *others = self._layers
                    overlays = *[tuple(layer) for layer, _ in others], items
                    items = tuple(first)
                    self._layers = []
                self._odd_bars.append(OddBar(len(self._bars), lengths, offset, self.meter))
            start = offset if self.offset < 0 else self.offset
            # In half the time that Bar() takes, which does the same in Python.
            bar = tuple.__new__(
                Bar, (left, line, items, overlays, self._ending, self._ending_text, start)
            )
            self._bars.append(bar)
            self._left = line
            self._divides = divides
            self._ending, self._ending_text = (), ""
            self.items = []
            self.steps = 0
            self.offset = -1
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
            self._bars[-1] = self._bars[-1]._replace(right=merged)

    def last_event(self) -> Event | None:
        """The last note, chord or rest, if it is among the last items of this bar or, where that
        has none yet, of the layer or bar before."""
        tail: Sequence[Item] = self.items[-_NEAR:]
        if not self.steps and self._layers:
            tail = self._layers[-1][0][-_NEAR:]
        elif not self.steps and self._bars:
            bar = self._bars[-1]
            tail = (bar.overlays or (bar.items,))[-1][-_NEAR:]
        return next((item for item in reversed(tail) if isinstance(item, EVENTS)), None)

    def last_of_layer(self) -> tuple[int, Event] | None:
        """The layer's last event and its index, if only items that take no time follow it."""
        for index in range(len(self.items) - 1, max(-1, len(self.items) - _NEAR - 1), -1):
            item = self.items[index]
            if isinstance(item, EVENTS):
                return index, item
        return None

    def count(self) -> tuple[int, int]:
        """How many events it has, and how many grace notes and further notes of chords."""
        layers: list[Iterable[Item]] = [items for items, _ in self._layers]
        layers.append(self.items)
        for bar in self._bars:
            layers += bar.items, *bar.overlays
        events = [item for items in layers for item in items if isinstance(item, EVENTS)]
        more = 0
        for event in events:
            graces = event.attached.graces
            more += len(graces.notes) if graces else 0
            more += len(event.notes) - 1 if isinstance(event, Chord) else 0
        return len(events), more

    # -- lines of music

    def begin_line(self) -> None:
        """Here a line of music begins, to which following lyrics belong."""
        self._line_bar, self._line_item = len(self._bars), len(self.items)

    def break_line(self) -> None:
        """Here a line of the printed score ends, unless nothing has been added since the last."""
        last = self.items[-1] if self.items else None
        if not isinstance(last, LineBreak) and (last is not None or self._bars):
            self.items.append(_LINE_BREAK)

    def hang(self, change: Callable[[Layers], None]) -> None:
        """Let lyrics or symbols be hung on the notes of the line of music.

        Args:
            change: is given the items of each bar since that line began, with the index of the
                first of the line, and puts others in their places.
        """
        closed = [list(bar.items) for bar in self._bars[self._line_bar :]]
        layers = [*closed, self._layers[0][0] if self._layers else self.items]
        change([(items, 0 if at else self._line_item) for at, items in enumerate(layers)])
        for at, items in enumerate(closed, self._line_bar):
            self._bars[at] = self._bars[at]._replace(items=tuple(items))

    def finish(self, offset: int, report: Report) -> tuple[Bar, ...]:
        """All bars; reports what is wrong with them."""
        while self.items and isinstance(self.items[-1], LineBreak):
            self.items.pop()
        if self.items or self._layers or self._ending:
            self.end(BarLine("none"), offset, (), "")
        check_bars(self._bars, self._odd_bars, report)
        return tuple(self._bars)
