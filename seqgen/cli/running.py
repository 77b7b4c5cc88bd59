"""A run at work: shown until it ends, or until a signal asks for its end."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from seqgen.cli.console import say

if TYPE_CHECKING:
    from seqgen.cli.display import Display
    from seqgen.training.events import Ended
    from seqgen.training.run import Run

__all__ = ["train_to_end"]


def train_to_end(run: Run, display: Display) -> None:
    """Run with a display, saving and ending after the update at hand on a signal.

    Raises:
        typer.Exit: after a run that was interrupted, with 128 + the signal.
    """
    from seqgen.cli.display import Display
    from seqgen.corpus.stripping import LEFT_OUT, stripped_by
    from seqgen.training.events import Ended

    ended: Ended | None = None
    with _signals() as caught, display:
        watching = display
        for event in run.events(stop=lambda: bool(caught)):
            try:
                watching.show(event)
            except OSError:  # nobody looks any more (`| head`); the model is still wanted
                watching = Display()
            if isinstance(event, Ended):
                ended = event
    model = shlex.quote(str(run.output))
    if caught and ended is not None and ended.interrupted:
        if not display.silent and ended.step == 0:
            say(f"Stopped before the first update; {model} is as it was")
        elif not display.silent:
            say(f"Stopped at step {ended.step}; go on with: seqgen train --resume -o {model}")
        raise typer.Exit(128 + caught[0])
    if not display.silent:
        if stripped := stripped_by(run.description):
            say(
                f"In these figures {LEFT_OUT[stripped]} count neither as loss nor as characters: "
                "compare them with no model of whole tunes"
            )
        say(f"The model is {model}; next: seqgen sample -m {model}")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked for an end; a second one ends at once."""
    caught: list[int] = []

    def note(number: int, _frame: Any) -> None:
        caught.append(number)
        restore()

    def restore() -> None:
        for sign, handler in before.items():
            signal.signal(sign, handler)

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # SIGHUP: the terminal went away
    signs = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {sign: signal.getsignal(sign) for sign in signs}
    before = {sign: handler for sign, handler in before.items() if handler != signal.SIG_IGN}
    for sign in before:
        signal.signal(sign, note)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a reader that leaves ends the display only
    try:
        yield caught
    finally:
        restore()
