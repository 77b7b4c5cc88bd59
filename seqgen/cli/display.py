"""What training shows while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from seqgen.checkpoint import quality
from seqgen.cli.console import (
    coloured,
    printable,
)
from seqgen.corpus.documents import UNITS

if TYPE_CHECKING:
    from rich.console import Console

    from seqgen.training.events import Ended, Evaluated, Event, Started, Stepped

__all__ = ["Clock", "Display", "LinesDisplay", "clock_time", "duration"]

NATS = frozenset(f"nats_per_{unit}" for unit in UNITS.values())
SMOOTHING = 0.9  # of the numbers shown between evaluations
LATE = 0.03  # of the promised time: from here on a later end is told

Clock = Callable[[], float]


class Display:
    """Shows nothing: what --quiet asks for, and what the others build on.

    Attributes:
        silent: whether nothing is to be said.
        show_seconds: that it takes at each evaluation.
    """

    silent = True
    show_seconds = 0.0

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

        console = Stderr(stderr=True, **coloured())
        if not console.is_terminal or console.is_dumb_terminal:
            return LinesDisplay(console)
        from seqgen.cli.live import LiveDisplay

        return LiveDisplay(console)

    def waiting(self) -> AbstractContextManager[object]:
        """To be held while a run is made; shows nothing here."""
        return nullcontext()

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

    silent = False

    def __init__(self, console: Console, clock: Clock = time.time) -> None:
        self.console, self.clock = console, clock
        self.started: Started | None = None
        self.loss_bits = self.gradient_norm = self.tokens_per_second = 0.0
        self.clipped = 0.0  # share of the updates
        self.updates = self.left_out = 0
        self.steps = 0  # of the run
        self.promised = self.finish = math.nan  # by the clock; NaN as long as it is not known
        self._allowed = math.nan  # seconds after what was promised that are not worth a line

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        """Take in an event of a run."""
        from seqgen.training import events

        match event:
            case events.Started():
                self.started, self.steps = event, event.config.steps
                if event.seconds_left is not None:
                    self.promised = self.finish = self.clock() + event.seconds_left
                    self._allowed = LATE * event.seconds_left
                self.line(_introduce(event, self.promised))
            case events.Recounted():
                self.line(
                    f"{event.steps:,} steps instead of {self.steps:,}, by the time that is left"
                )
                self.steps = event.steps
            case events.Stepped():
                self.stepped(event, self._bits(event))
            case events.Evaluated():
                self.evaluated(event)
            case events.Noted():
                self.line(event.message)
            case events.Ended():
                self.line(_conclude(event))

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return UNITS[self.started.kind] if self.started else UNITS["text"]

    def _bits(self, event: Stepped) -> float:
        """The loss in bits a character or event, as the validation part's is counted."""
        assert self.started is not None  # a run starts before it steps
        return event.loss_nats * self.started.tokens_per_unit / math.log(2)

    def stepped(self, event: Stepped, loss_bits: float) -> None:
        """The numbers of an update."""
        assert self.started is not None
        if event.seconds_left is not None:
            self.finish = self.clock() + event.seconds_left
        if not math.isfinite(event.loss_nats + event.gradient_norm):
            self.left_out += 1
            return
        # The mean of the first updates, then an exponential average of the last.
        keep = min(SMOOTHING, self.updates / (self.updates + 1))
        limit = self.started.config.clip_norm
        clipped = limit is not None and event.gradient_norm > limit
        self.clipped += (clipped - self.clipped) / (self.updates + 1)
        self.updates += 1
        for name, value in (
            ("loss_bits", loss_bits),
            ("gradient_norm", event.gradient_norm),
            ("tokens_per_second", event.tokens_per_second),
        ):
            setattr(self, name, keep * getattr(self, name) + (1 - keep) * value)

    def evaluated(self, event: Evaluated) -> None:
        """A line for the validation part's score, and one if the end moves away."""
        from seqgen.training.budget import RECOUNTED_SHARES

        mark = " *" if event.improved else ""
        score = f"validation {event.score.bits_per_unit:.3f} bits/{event.score.unit}{mark}"
        if self.updates:
            self.line(
                f"step {event.step:,}  loss {self.loss_bits:.3f}  {score}"
                f"  {self.tokens_per_second:,.0f} tokens/s"
            )
        else:  # a finished model, before it learns more
            self.line(f"step {event.step:,}  {score}")
        late = self.finish - self.promised
        # Until the steps have been counted for the last time that may still be mended.
        if late > self._allowed and event.step >= RECOUNTED_SHARES[-1] * self.steps:
            self._allowed = 2 * late  # not told again before it is twice as late
            self.line(
                f"slower than when it was measured: ends at about {clock_time(self.finish)} "
                f"instead of {clock_time(self.promised)}"
            )


def clock_time(seconds: float) -> str:
    """A time of ``time.time`` as clocks show it here, with the day if it is far off."""
    far = seconds - time.time() > 20 * 3600
    return time.strftime("%a %H:%M" if far else "%H:%M:%S", time.localtime(seconds))


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, such as ``2:31`` or ``1:02:31``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _introduce(event: Started, finish: float) -> str:
    model, config = event.model, event.config
    heads = f"{model.heads} head{'s' * (model.heads != 1)}, " if model.heads else ""
    batches = f"{config.accumulate} batches of " if config.accumulate > 1 else ""
    how = {
        "plain": "in plain operations",
        "xla": "compiled by XLA",
        "native": "in native code",
    }[config.compute]
    go_on = f", going on after step {event.step}" if event.step else ""
    keys = ", tunes in other keys each time" if config.augment else ""
    ends = "" if math.isnan(finish) else f"; ends at about {clock_time(finish)}"
    return (
        f"{model.arch} {model.layers} x {model.hidden} ({event.parameters:,} weights, {heads}"
        f"{model.vocabulary} different tokens, dropout {config.dropout:g}, updates {how}, "
        f"{config.precision} products); {config.steps:,} steps "
        f"of {batches}{config.batch_size} x {config.seq_length} tokens, "
        f"{config.steps / event.steps_per_epoch:.1f} times through the corpus{keys}{go_on}{ends}"
    )


def _conclude(event: Ended) -> str:
    if not event.best:
        return f"Ended at step {event.step} before the first evaluation."
    why = "stopped early, since validation no longer improved" if event.early else "done"
    why = "interrupted" if event.interrupted else why
    nats = next(n for name, n in event.best.items() if name in NATS)
    return (
        f"{why.capitalize()} after {duration(event.seconds)} of training. Best at step "
        f"{event.best['step']:,}: {quality(event.best)}, perplexity {math.exp(nats):.2f}"
    )
