"""The live panel of a terminal: time, numbers, curves, and what the weights of now write."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from seqgen.cli.console import printable
from seqgen.cli.curves import Curves
from seqgen.cli.display import Clock, LinesDisplay, clock_time, duration
from seqgen.cli.preview import SHOW_SECONDS, Preview
from seqgen.corpus.documents import UNITS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from seqgen.training.events import Evaluated, Event, Started, Stepped

__all__ = ["LiveDisplay"]

REFRESH_HZ = 2
WIDE = 110  # columns; from here on the sample stands beside the curves
ROWS_ABOVE = 5  # of the terminal, for the lines that stay
MOST_ROWS = 16  # of curves or sample
LEAST_ROWS = 6
LEAST_COLUMNS = 40


class LiveDisplay(LinesDisplay):
    """A panel that moves, below the lines that stay.

    It fits the terminal whatever its size, and gives up the sample, then the curves, if that is
    small.
    """

    show_seconds = SHOW_SECONDS

    def __init__(self, console: Console, clock: Clock = time.time) -> None:
        from rich.live import Live

        super().__init__(console, clock)
        self.began = clock()
        self.step = 0
        self.validation: list[float] = []
        self.curves: Curves | None = None
        self.preview: Preview | None = None
        self.sample_title = self.sample = ""
        self.size = console.size
        self.live = Live(
            console=console,
            refresh_per_second=REFRESH_HZ,
            get_renderable=self.panel,
            transient=True,
        )

    def waiting(self) -> AbstractContextManager[object]:
        """A sign of life while nothing has happened yet."""
        what = "reading the corpus, and measuring how fast this machine learns"
        return self.console.status(what, refresh_per_second=REFRESH_HZ)

    def __enter__(self) -> Self:
        self.live.start(refresh=True)
        return self

    def close(self) -> None:
        """Let go of the terminal."""
        self.live.stop()

    def line(self, text: str) -> None:
        """A line that stays, broken between words."""
        self.console.print(printable(text), markup=False, highlight=False)

    def show(self, event: Event) -> None:
        """Take in an event of a run."""
        from seqgen.training import events

        if isinstance(event, events.Started):
            self._start(event)
        super().show(event)
        if isinstance(event, events.Recounted) and self.curves is not None:
            self.curves.steps = event.steps

    def _start(self, event: Started) -> None:
        self.step = event.step
        self.began = self.clock()
        self.curves = Curves(event.config.steps, UNITS[event.kind])
        self.preview = Preview(event.model, event.tokenizer, event.kind)

    def stepped(self, event: Stepped, loss_bits: float) -> None:
        """The numbers of an update."""
        super().stepped(event, loss_bits)
        self.step = event.step
        if self.curves is not None:
            self.curves.trained(event.step, loss_bits)

    def evaluated(self, event: Evaluated) -> None:
        """The validation part's score, kept above the panel, and a sample of the weights of now."""
        super().evaluated(event)
        bits = event.score.bits_per_unit
        self.validation.append(bits)
        if self.curves is not None:
            self.curves.validated(event.step, bits)
        if self.preview is not None:
            name, self.sample = self.preview.draw(event.weights, event.step)
            self.sample_title = f"a sample at step {event.step:,}" + (f": {name}" if name else "")

    def panel(self) -> RenderableType:
        """All of it, as high and as wide as the terminal leaves room for."""
        from rich.console import Group
        from rich.control import Control
        from rich.table import Table

        if self.console.size != self.size:
            # The terminal has broken the old panel's lines anew: it can't be told where they are.
            self.size = self.console.size
            self.console.control(Control.clear(), Control.home())
        width, height = self.size
        parts: list[RenderableType] = [self._progress(width), *self._numbers(width)]
        rows = height - ROWS_ABOVE - len(parts)
        drawn = self.curves is not None and self.step > 1 and width >= LEAST_COLUMNS
        drawn = drawn and rows >= LEAST_ROWS and not self.console.options.ascii_only
        if drawn and self.sample and width >= WIDE:
            table = Table.grid(padding=(0, 2))
            rows = min(rows, MOST_ROWS)
            half = (width - 2) // 2
            table.add_column(width=half)
            table.add_column(width=width - 2 - half)
            table.add_row(self._curves(half, rows), self._sample(rows))
            parts.append(table)
        elif drawn:
            sample_rows = min(rows * 2 // 5, MOST_ROWS) if self.sample else 0
            if sample_rows < 4 or rows - sample_rows < LEAST_ROWS:
                sample_rows = 0
            parts.append(self._curves(width, min(rows - sample_rows, MOST_ROWS)))
            if sample_rows:
                parts.append(self._sample(sample_rows))
        elif self.sample and rows >= 3:
            parts.append(self._sample(min(rows, MOST_ROWS)))
        return Group(*parts)

    def _progress(self, width: int) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.clock()
        steps = self.steps or None
        words = [f"{self.step:,}/{steps:,}" if steps else "", duration(now - self.began)]
        if not math.isnan(self.finish):
            left = f"left {duration(self.finish - now)}"
            words.append(f"{left}, until {clock_time(self.finish)}" if width >= 60 else left)
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column()
        row.add_column(ratio=1)
        row.add_column(justify="right")
        bar = ProgressBar(total=steps, completed=self.step)
        row.add_row(Text("training"), bar, Text("  ".join(filter(None, words)), no_wrap=True))
        return row

    def _numbers(self, width: int) -> list[Text]:
        """The numbers of now in as few lines as they take."""
        from rich.text import Text

        # Text, not markup: whatever is printed above the panel redraws it without markup.
        losses = Text.assemble("loss ", (f"{self.loss_bits:.3f}", "bold"))
        if self.validation:
            losses.append("  validation ").append(f"{self.validation[-1]:.3f}", "bold")
            losses.append("  best ").append(f"{min(self.validation):.3f}", "bold")
        speed = Text.assemble((f"{self.tokens_per_second:,.0f}", "bold"), " tokens/s")
        gradient = Text.assemble("gradient norm ", (f"{self.gradient_norm:.2f}", "bold"))
        if self.started and self.started.config.clip_norm is not None:
            gradient.append(f" ({self.clipped:.0%} of updates clipped)")
        lines = [losses.append(f" bits/{self.unit}")]
        others = [speed, gradient]
        if self.left_out:
            others.append(Text(f"{self.left_out:,} updates left out"))
        for part in others:
            if len(lines[-1]) + 2 + len(part) <= width:
                lines[-1].append("  ").append_text(part)
            else:
                lines.append(part)
        return lines

    def _curves(self, width: int, rows: int) -> RenderableType:
        from rich.console import Group

        assert self.curves is not None
        return Group(*self.curves.draw(width, rows))

    def _sample(self, rows: int) -> RenderableType:
        from rich.panel import Panel
        from rich.text import Text

        tune = self.started is not None and self.started.kind == "abc"
        text = Text(self.sample, overflow="ellipsis" if tune else "fold", no_wrap=tune)
        return Panel(text, title=Text(self.sample_title), title_align="left", height=rows)
