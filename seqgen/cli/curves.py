"""Loss curves in a terminal: Braille dots for training, marks for validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["TRAINING_STYLE", "VALIDATION_STYLE", "Curves"]

BUCKETS = 100  # points of the training curve, at most: means, since single updates jump about
TRAINING_STYLE, VALIDATION_STYLE = "cyan", "bold yellow"
MARK, BEST = "o", "*"
BEGINNING = 0.08  # of the run, whose steep fall would flatten all that follows
# Bits of the dots of a Braille character (Unicode 15, chapter 21), by row and column.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
BLANK = 0x2800

Point = tuple[float, float]


class Curves:
    """Losses by step, in bits a character or event.

    Args:
        steps: of the whole run, which is how wide the picture is; they may change.
        unit: what the bits are counted by.
    """

    def __init__(self, steps: int, unit: str = "char") -> None:
        self.steps, self.unit = steps, unit
        self.validation: list[Point] = []
        self._width = max(1.0, steps / BUCKETS)
        self._sums: dict[int, float] = {}
        self._counts: dict[int, int] = {}

    def trained(self, step: int, bits: float) -> None:
        """The loss of update ``step``, counted from 1; one that is not finite is not drawn."""
        if math.isfinite(bits):
            bucket = int((step - 1) // self._width)
            self._sums[bucket] = self._sums.get(bucket, 0.0) + bits
            self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def validated(self, step: int, bits: float) -> None:
        """What the validation part showed after ``step``."""
        if math.isfinite(bits):
            self.validation.append((step, bits))

    @property
    def training(self) -> list[Point]:
        """Means over stretches of the run, by the step in their middle."""
        return [
            ((bucket + 0.5) * self._width, total / self._counts[bucket])
            for bucket, total in sorted(self._sums.items())
        ]

    def draw(self, width: int, height: int) -> list[Text]:
        """The picture: a legend, ``height - 2`` rows with both curves, and the axis of steps.

        Args:
            width, height: in characters; at least 30 and 5.
        """
        from rich.text import Text

        training = self.training
        low, high = self._range(training)
        ticks = {0: high, (height - 3) // 2: 0.0, height - 3: low}
        ticks[(height - 3) // 2] = high - (high - low) * ((height - 3) // 2) / (height - 3)
        labels = {row: f"{value:.2f}" for row, value in ticks.items()}
        margin = max(map(len, labels.values()))
        canvas = _Canvas(width - margin - 2, height - 2, self.steps, low, high)
        canvas.line(training)
        best = min((bits for _, bits in self.validation), default=0.0)
        for step, bits in self.validation:
            canvas.mark(step, bits, BEST if bits == best else MARK)
        legend = Text.assemble(
            " " * (margin + 2), f"bits/{self.unit}  ", ("⠒ training", TRAINING_STYLE), "  ",
            (f"{MARK} validation", VALIDATION_STYLE), "  ", (f"{BEST} best", VALIDATION_STYLE),
        )  # fmt: skip
        legend.truncate(width)
        rows = [
            Text.assemble(labels.get(row, "").rjust(margin), " ┤" if row in labels else " │", text)
            for row, text in enumerate(canvas.rows())
        ]
        return [legend, *rows, Text(" " * (margin + 1) + self._axis(width - margin - 1))]

    def _range(self, training: list[Point]) -> Point:
        """The lowest and the highest value that is drawn."""
        values = [bits for _, bits in training + self.validation]
        if not values:
            return 0.0, 1.0
        settled = [bits for step, bits in training if step > BEGINNING * self.steps]
        if self.validation and settled:
            values = [*settled, *(bits for _, bits in self.validation)]
        low, high = min(values), max(values)
        return (low, high) if high - low > 0.01 else (low - 0.005, high + 0.005)

    def _axis(self, width: int) -> str:
        end = f" {self.steps:,} steps"
        line = "└" + "─" * (width - len(end) - 1)
        middle = f" {self.steps // 2:,} "
        at = width // 2 - len(middle) // 2
        if at > 3 and at + len(middle) < len(line):
            line = line[:at] + middle + line[at + len(middle) :]
        return line + end


class _Canvas:
    """Characters of two by four dots, and marks on them."""

    def __init__(self, columns: int, rows: int, steps: int, low: float, high: float) -> None:
        self.columns, self._steps, self._low, self._high = columns, steps, low, high
        self._dots = [[0] * columns for _ in range(rows)]
        self._marks: dict[Point, str] = {}

    def _place(self, step: float, bits: float) -> Point:
        """In dots from the upper left corner; above the picture is below zero."""
        across = step / self._steps * (2 * self.columns - 1)
        down = (self._high - bits) / (self._high - self._low) * (4 * len(self._dots) - 1)
        return across, down

    def line(self, points: list[Point]) -> None:
        places = [self._place(*point) for point in points]
        for (x, y), (to_x, to_y) in zip(places, places[1:] or places, strict=False):
            pieces = math.ceil(max(abs(to_x - x), abs(to_y - y), 1))
            for piece in range(pieces + 1):
                share = piece / pieces
                self._dot(round(x + share * (to_x - x)), round(y + share * (to_y - y)))

    def _dot(self, x: int, y: int) -> None:
        if 0 <= x < 2 * self.columns and 0 <= y < 4 * len(self._dots):
            self._dots[y // 4][x // 2] |= DOTS[y % 4][x % 2]

    def mark(self, step: float, bits: float, mark: str) -> None:
        x, y = self._place(step, bits)
        self._marks[round(y) // 4, round(x) // 2] = mark

    def rows(self) -> list[Text]:
        from rich.text import Text

        rows = []
        for row, dots in enumerate(self._dots):
            text = Text(no_wrap=True)
            for column, bits in enumerate(dots):
                if (row, column) in self._marks:
                    text.append(self._marks[row, column], VALIDATION_STYLE)
                else:
                    text.append(chr(BLANK + bits) if bits else " ", TRAINING_STYLE)
            rows.append(text)
        return rows
