"""Playing over MIDI while a tune or piece is drawn.

What has been drawn so far is performed again at the end of each bar. Time only goes on in a
performance: what comes next never changes what has been heard, so it is enough to send what is new.
The drawing keeps a bar ahead of the playing.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from seqgen.errors import InputError, OutputError, SeqgenError, UsageError

__all__ = ["Heard", "Streams", "find_port", "opened"]

MISSING = (
    "--port needs the package python-rtmidi, which is not installed: pip install 'seqgen[live]'"
)


class Streams(Protocol):
    """What draws samples in pieces; see ``sampling.sampler.Sampler``."""

    def stream(self, number: int) -> Iterator[str]: ...
    def pieces(self, numbers: Sequence[int]) -> Iterator[tuple[int, str]]: ...


def find_port(name: str) -> str:
    """The MIDI output that is called so, or the only one whose name holds it, in any case.

    Raises:
        UsageError: there is none, or there are several; those that there are are named.
        OutputError: the system has no MIDI.
        SeqgenError: python-rtmidi is not installed.
    """
    try:
        import mido

        names = list(dict.fromkeys(mido.get_output_names()))
    except ImportError as error:
        raise SeqgenError(MISSING) from error
    except OSError as error:
        raise OutputError(f"this system lets nobody play MIDI: {error}") from error
    found = [each for each in names if name.casefold() in each.casefold()]
    if name in names or len(found) == 1:
        return name if name in names else found[0]
    if not names:
        raise UsageError(
            f"there is no MIDI port '{name}', nor any other; start a synthesizer, such as "
            "fluidsynth, or connect one"
        )
    what = "several MIDI ports" if found else "no MIDI port"
    verb = "are" if found else "is"
    raise UsageError(f"there {verb} {what} '{name}'; there are: {', '.join(found or names)}")


@contextlib.contextmanager
def opened(name: str) -> Iterator[Any]:
    """The MIDI output of that name, silent again at the end.

    Raises:
        OutputError: it can't be opened.
    """
    import mido

    try:
        port = mido.open_output(name)
    except OSError as error:
        raise OutputError(f"the MIDI port '{name}' can't be opened: {error}") from error
    try:
        yield port
    finally:
        port.reset()
        port.panic()
        port.close()


class Heard:
    """Samples that are played as they are drawn.

    Args:
        sampler: what draws.
        kind: of what it draws: ``abc`` or ``midi``.
        port: one of mido's outputs.
        clock, sleep: time in seconds.
    """

    def __init__(
        self,
        sampler: Streams,
        kind: str,
        port: Any,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sampler, self._port = sampler, port
        self._bar_end = "|" if kind == "abc" else "Bar_None\n"
        self._render = _abc_to_midi if kind == "abc" else _events_to_midi
        self._clock, self._sleep = clock, sleep

    def pieces(self, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Some samples, one after the other, in pieces with their numbers; see ``stream``."""
        for number in numbers:
            for piece in self.stream(number):
                yield number, piece

    def stream(self, number: int) -> Iterator[str]:
        """Sample ``number`` in pieces; it is played between them, and ends when it has been heard.

        Raises:
            SeqgenError: it can't be played.
        """
        text, heard = "", _Heard(self._port, self._clock, self._sleep)
        for piece in self._sampler.stream(number):
            yield piece
            text += piece
            if self._bar_end in piece:
                so_far = text[: text.rindex("|") + 1] if self._bar_end == "|" else text
                # The beginning of a tune need not be one that can be played by itself.
                with contextlib.suppress(InputError):
                    heard.send(self._render(so_far), whole=False)
        try:
            heard.send(self._render(text), whole=True)
        except InputError as error:
            raise SeqgenError(f"this tune can't be played to its end: {error}") from error


class _Heard:
    """One piece, as far as it has been heard."""

    def __init__(
        self, port: Any, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._port, self._clock, self._sleep = port, clock, sleep
        self._began: float | None = None
        self._sent = 0.0  # seconds from the beginning, before which all has been sent
        self._end = 0.0  # of the performance before

    def send(self, midi: bytes, *, whole: bool) -> None:
        """Send what is new, each message when its time has come.

        The last bar that is known waits for the next, so that no note is cut that goes on in it.
        """
        import mido

        file = mido.MidiFile(file=io.BytesIO(midi))
        until = float("inf") if whole else self._end
        at = 0.0
        for message in file:
            at += message.time
            if self._sent <= at < until and not message.is_meta:
                if self._began is None:
                    self._began = self._clock() - at
                if (wait := self._began + at - self._clock()) > 0:
                    self._sleep(wait)
                else:  # what comes too late moves all the rest, so that nothing is hurried
                    self._began -= wait
                self._port.send(message)
        self._sent = max(self._sent, until)
        self._end = max(self._end, at)


def _abc_to_midi(text: str) -> bytes:
    from seqgen.music import midi
    from seqgen.music.abc.parser import parse_tune
    from seqgen.music.performance import perform

    return midi.write(perform(parse_tune(text)))


def _events_to_midi(text: str) -> bytes:
    from seqgen.cli.pieces import render

    return render(text, "mid")
