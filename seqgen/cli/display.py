"""What training shows while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from seqgen.checkpoint import quality
from seqgen.cli.console import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from seqgen.training.events import Ended, Evaluated, Event, Started, Stepped

__all__ = ["Display"]

SAMPLE_TOKENS = 120
SAMPLE_TEMPERATURE = 0.8
SMOOTHING = 0.9  # of the numbers shown between evaluations
REFRESH_HZ = 4


class Display:
    """Shows nothing: what --quiet asks for, and what the others build on."""

    @staticmethod
    def choose(*, quiet: bool) -> Display:
        """The display for where stderr goes."""
        if quiet:
            return Display()
        from rich.console import Console

        class Stderr(Console):
            def on_broken_pipe(self) -> None:
                """Rich would end the program; see LinesDisplay.show."""
                raise BrokenPipeError

        console = Stderr(stderr=True)
        return LiveDisplay(console) if console.is_terminal else LinesDisplay(console)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the terminal; nothing is held here."""

    def show(self, event: Event) -> None:
        """Take in an event of a run."""


class LinesDisplay(Display):
    """A line an evaluation, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started: Started | None = None
        self.loss_nats = self.gradient_norm = self.tokens_per_second = 0.0
        self.updates = 0

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        """Take in an event of a run."""
        from seqgen.training import events

        match event:
            case events.Started():
                self.started = event
                self.line(_introduce(event))
            case events.Stepped():
                self._smooth(event)
            case events.Evaluated():
                self.evaluated(event)
            case events.Noted():
                self.line(event.message)
            case events.Ended():
                self.line(_conclude(event))

    def _smooth(self, event: Stepped) -> None:
        # The mean of the first updates, then an exponential average of the last.
        keep = min(SMOOTHING, self.updates / (self.updates + 1))
        self.updates += 1
        for name in ("loss_nats", "gradient_norm", "tokens_per_second"):
            value = keep * getattr(self, name) + (1 - keep) * getattr(event, name)
            setattr(self, name, value)

    def evaluated(self, event: Evaluated) -> None:
        """A line for the validation part's score."""
        mark = " *" if event.improved else ""
        self.line(
            f"step {event.step:,}  loss {self.loss_nats:.3f}"
            f"  validation {event.score.bits_per_unit:.3f} bits/{event.score.unit}{mark}"
            f"  {self.tokens_per_second:,.0f} tokens/s"
        )


class LiveDisplay(LinesDisplay):
    """A panel that moves: progress with the time left, the numbers of now, and a sample."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        super().__init__(console)
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            expand=True,
        )
        self.task = self.progress.add_task("", total=None)
        self.validation: list[float] = []
        self.unit = ""
        self.sample = ""
        self.live = Live(
            console=console,
            refresh_per_second=REFRESH_HZ,
            get_renderable=self._panel,
            transient=True,
        )

    def __enter__(self) -> Self:
        self.live.start(refresh=True)
        return self

    def close(self) -> None:
        """Let go of the terminal."""
        self.live.stop()

    def show(self, event: Event) -> None:
        """Take in an event of a run."""
        from seqgen.training import events

        super().show(event)
        match event:
            case events.Started():
                self.progress.update(self.task, total=event.config.steps, completed=event.step)
            case events.Stepped():
                self.progress.update(self.task, completed=event.step)

    def evaluated(self, event: Evaluated) -> None:
        """The validation part's score, kept above the panel, and a sample of the weights of now."""
        super().evaluated(event)
        self.validation.append(event.score.bits_per_unit)
        self.unit = event.score.unit
        self.sample = self._draw(event)

    def _draw(self, event: Evaluated) -> str:
        from seqgen.config import SamplingConfig
        from seqgen.models import decoders
        from seqgen.sampling.generate import continuation

        assert self.started is not None  # a run starts before it is evaluated
        config = SamplingConfig(temperature=SAMPLE_TEMPERATURE, max_tokens=SAMPLE_TOKENS)
        decoder = decoders.build(self.started.model, event.weights)
        text = "".join(
            continuation(decoder, self.started.tokenizer, "", config, seed=0, number=event.step)
        )
        if self.started.tokenizer.scheme == "remi":  # a word a line would fill the panel with three
            text = " ".join(text.split())
        return printable(text).strip()

    def _panel(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        numbers = Table.grid(padding=(0, 2))
        best = f"{min(self.validation):.3f} bits/{self.unit}" if self.validation else "-"
        # Text, not markup: whatever is printed above the panel redraws it without markup.
        numbers.add_row(
            Text.assemble("loss ", (f"{self.loss_nats:.3f}", "bold")),
            Text.assemble("best ", (best, "bold")),
            Text.assemble((f"{self.tokens_per_second:,.0f}", "bold"), " tokens/s"),
            Text.assemble("gradient norm ", (f"{self.gradient_norm:.2f}", "bold")),
        )
        parts: list[RenderableType] = [self.progress.get_renderable(), numbers]
        if self.sample:
            parts.append(Panel(Text(self.sample, overflow="fold"), title="a sample", height=9))
        return Group(*parts)


def _introduce(event: Started) -> str:
    model, config = event.model, event.config
    heads = f", {model.heads} heads" if model.heads else ""
    epochs = config.steps / event.steps_per_epoch
    batches = f"{config.accumulate} batches of " if config.accumulate > 1 else ""
    how = "compiled by XLA" if config.compute == "xla" else "in plain operations"
    go_on = f", going on after step {event.step}" if event.step else ""
    keys = ", tunes in other keys each time" if config.augment else ""
    return (
        f"{model.arch}, {model.layers} x {model.hidden}{heads}: {event.parameters:,} weights, "
        f"{model.vocabulary} different tokens\n"
        f"{config.steps:,} steps of {batches}{config.batch_size} x {config.seq_length} tokens: "
        f"{epochs:.1f} times through the corpus{keys}{go_on}; "
        f"updates {how}, {config.precision} products"
    )


def _conclude(event: Ended) -> str:
    if not event.best:
        return f"Ended at step {event.step} before the first evaluation."
    why = "stopped early, since validation no longer improved" if event.early else "done"
    why = "interrupted" if event.interrupted else why
    return (
        f"{why.capitalize()} after {event.seconds:.0f} s. Best at step {event.best['step']:,}: "
        f"{quality(event.best)}"
    )
