"""Playing over MIDI while drawing, by a port that only remembers and a clock that only counts."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mido
import pytest
from typer.testing import CliRunner, Result

from seqgen.cli.main import app
from seqgen.cli.port import Heard, find_port, opened
from seqgen.errors import OutputError, SeqgenError, UsageError
from tests.support import TUNES, midi_of

MakeModel = Callable[..., Path]
TUNE = """\
X:1
T:Repeats and ties
M:2/4
L:1/8
Q:1/4=90
K:G
GA|:B2 AG|E4-|E2 DE|1 G2 GA:|2 G4||
|:d2 e2|[M:3/4]d2 B2 (3ABA|G6:|
"""


class Port:
    """Remembers what was sent, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[float, str]] = []
        self.ended: list[str] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def send(self, message: Any) -> None:
        self.sent.append((self.now, str(message.copy(time=0))))

    def reset(self) -> None:
        self.ended.append("reset")

    def panic(self) -> None:
        self.ended.append("panic")

    def close(self) -> None:
        self.ended.append("close")


class Script:
    """Draws a given text, a few characters at a time, and takes its time."""

    def __init__(self, text: str, port: Port, size: int, seconds: float) -> None:
        self.text, self.port, self.size, self.seconds = text, port, size, seconds

    def stream(self, _number: int) -> Iterator[str]:
        for start in range(0, len(self.text), self.size):
            self.port.now += self.seconds
            yield self.text[start : start + self.size]


def messages(text: str) -> list[tuple[float, str]]:
    file = mido.MidiFile(file=io.BytesIO(midi_of(text)))
    times = itertools.accumulate(message.time for message in file)
    both = zip(times, file, strict=True)
    return [(at, str(each.copy(time=0))) for at, each in both if not each.is_meta]


def play(text: str, size: int, seconds: float = 0.0) -> tuple[Port, list[tuple[float, str]]]:
    """What is sent, and what was drawn when."""
    port = Port()
    heard = Heard(
        Script(text, port, size, seconds), "abc", port, clock=port.clock, sleep=port.sleep
    )
    return port, [(port.now, piece) for piece in heard.stream(0)]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_heard_is_the_tune_repeats_ties_and_all(size: int) -> None:
    port, shown = play(TUNE, size)
    wanted = messages(TUNE)
    assert [message for _, message in port.sent] == [message for _, message in wanted]
    began = port.sent[0][0] - wanted[0][0]
    for (at, _), (due, _) in zip(port.sent, wanted, strict=True):
        assert at - began == pytest.approx(due)
    assert "".join(piece for _, piece in shown) == TUNE


def test_it_plays_while_it_is_drawn() -> None:
    port, shown = play(TUNE, 1)
    last_drawn, last_heard = shown[-1][0], port.sent[-1][0]
    assert last_drawn > 5.0
    assert last_heard > last_drawn  # the drawing keeps ahead


def test_slow_drawing_delays_and_never_hurries() -> None:
    port, _ = play(TUNE, 1, seconds=0.5)
    wanted = messages(TUNE)
    assert [message for _, message in port.sent] == [message for _, message in wanted]
    for (at, _), (later, _), (due, _), (next_due, _) in zip(
        port.sent, port.sent[1:], wanted, wanted[1:], strict=False
    ):
        assert later - at >= next_due - due - 1e-9
    assert port.sent[-1][0] > wanted[-1][0] + 10


def test_what_is_no_tune_says_so() -> None:
    with pytest.raises(SeqgenError, match="can't be played to its end"):
        play("X:1\nK:C\n[ce|\n", 3)


NAMES = ["Synth A 128:0", "Synth B 129:0", "Drums", "Drums"]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Port:
    port = Port()
    monkeypatch.setattr(mido, "get_output_names", lambda: NAMES)
    monkeypatch.setattr(mido, "open_output", lambda _name: port)
    monkeypatch.setattr(
        Heard.__init__, "__kwdefaults__", {"clock": port.clock, "sleep": port.sleep}
    )
    return port


def test_ports_are_found_by_part_of_their_name(port: Port) -> None:
    assert find_port("Synth A 128:0") == "Synth A 128:0"
    assert find_port("synth b") == "Synth B 129:0"
    assert find_port("drum") == "Drums"
    with pytest.raises(UsageError, match=r"several MIDI ports 'syn'; there are: Synth A 128:0, Sy"):
        find_port("syn")
    with pytest.raises(UsageError, match=r"no MIDI port '\?'; there are: .*Synth B 129:0, Drums$"):
        find_port("?")


def test_systems_without_midi_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[str]:
        raise OSError("no sequencer")

    monkeypatch.setattr(mido, "get_output_names", list)
    with pytest.raises(UsageError, match="nor any other; start a synthesizer"):
        find_port("x")
    monkeypatch.setattr(mido, "get_output_names", refuse)
    with pytest.raises(OutputError, match="nobody play MIDI: no sequencer"):
        find_port("x")
    monkeypatch.setattr(mido, "open_output", refuse)
    with pytest.raises(OutputError, match="'x' can't be opened"), opened("x"):
        pass
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(SeqgenError, match=r"pip install 'seqgen\[live\]'"):
        find_port("x")


def test_a_port_is_silent_after_whatever_happens(port: Port) -> None:
    with pytest.raises(KeyboardInterrupt), opened("x"):
        raise KeyboardInterrupt
    assert port.ended == ["reset", "panic", "close"]


def sample(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sample", "--seed", "1", *arguments])


def test_the_command_plays_and_writes(port: Port, make_model: MakeModel) -> None:
    path = str(make_model("lstm"))
    prompt = TUNES.split("\n\n")[0]
    done = sample("-m", path, "-p", prompt, "--max-tokens", "60", "--port", "drums")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("%%seqgen")
    assert done.stdout.split("\n", 1)[1].startswith(prompt)
    wanted = [message for _, message in messages(done.stdout)]
    assert [message for _, message in port.sent] == wanted
    assert port.ended == ["reset", "panic", "close"]


def test_midi_is_played_and_not_written(port: Port, make_model: MakeModel) -> None:
    path = str(make_model("transformer", scheme="remi", kind="midi"))
    done = sample("-m", path, "--max-tokens", "60", "--port", "drums")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert sum("note_on" in message for _, message in port.sent) > 3


def test_what_does_not_go_with_a_port(port: Port, make_model: MakeModel) -> None:
    path = str(make_model(kind="text"))
    refused = sample("-m", path, "--port", "drums")
    assert isinstance(refused.exception, UsageError)
    assert "writes text, which can't be played" in str(refused.exception)
    for option in (["-o", "x.abc"], ["--format", "mid"]):
        refused = sample("-m", path, "--port", "drums", *option)
        assert isinstance(refused.exception, UsageError)
    assert port.sent == []
