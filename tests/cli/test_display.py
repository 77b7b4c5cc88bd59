"""What training shows: in a real terminal, and by a clock that stands still."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from seqgen import checkpoint
from seqgen.cli.display import Display, LinesDisplay, duration
from seqgen.cli.live import LiveDisplay
from seqgen.training.plan import Wishes, plan_training


def run_in_terminal(command: list[str], cwd: Path, columns: int) -> tuple[int, str]:
    """Exit status and all that was shown on stderr."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(timeout=60), shown.decode("utf-8", "replace")


def test_a_live_panel_shows_progress_numbers_and_a_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = rng.choice(["sea", "sun", "song", "sound", "silence"], 3000)
    (tmp_path / "words.txt").write_text(" ".join(words))
    small = ["--hidden", "32", "--seq-length", "16", "--batch-size", "8", "--steps", "300"]
    status, shown = run_in_terminal(
        [sys.executable, "-m", "seqgen", "train", "words.txt", *small], tmp_path, 80
    )
    assert status == 0, shown[-2000:]
    assert "\x1b[" in shown  # it moves
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    for part in (
        "training",
        "/300",
        "left",
        "loss",
        "best",
        "tokens/s",
        "gradient norm",
        "a sample",
    ):
        assert part in plain, part
    assert "Traceback" not in plain
    assert "[bold]" not in plain
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.startswith("step ")]
    assert len(lines) >= 3
    assert all(len(line) <= 80 for line in lines)
    # The sample inside the panel is made of the corpus's words and their letters.
    samples = re.findall(r"│ ([a-z ]{20,}?) +│", plain)
    assert any("so" in sample or "sea" in sample for sample in samples)


NOON = 1_700_000_000.0


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


def run_of(path: Path, **options: Any) -> Any:
    """The events of a run of 100 steps, by name."""
    from seqgen.training import events
    from seqgen.training.validation import Score

    saved = checkpoint.load(path)
    config = plan_training(
        Wishes(steps=100, **options),
        kind="abc",
        tokens=1000,
        precision="float32",
        steps=100,
        evaluations=10,
    )

    class Events:
        started = events.Started(
            saved.card.tokenizer, saved.card.model, config, "abc", 1234, 1000, 0.5, 10, 0, 90.0
        )

        @staticmethod
        def stepped(step: int, loss: float, norm: float, left: float | None) -> Any:
            return events.Stepped(step, loss, norm, 0.01, 5000.0, left)

        @staticmethod
        def evaluated(step: int, bits: float) -> Any:
            score = Score(bits * np.log(2) * 100, 100, 50)
            return events.Evaluated(step, score, True, saved.weights)

    return Events


def console_of(width: int = 80, height: int = 24, **options: Any) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, **options)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def panel_of(display: LiveDisplay, width: int, height: int) -> list[str]:
    plain = console_of(width, height, color_system=None)
    display.console = plain
    display.size = plain.size
    plain.print(display.panel())
    return written(plain).splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 18), (30, 8), (200, 12)])
def test_the_panel_fits_whatever_the_terminal(
    make_model: Callable[..., Path], width: int, height: int
) -> None:
    events = run_of(make_model(scheme="abc"))
    display = LiveDisplay(console_of(width, height), Clock())
    before = panel_of(display, width, height)
    display.show(events.started)
    for step in range(1, 51):
        display.show(events.stepped(step, 3.0 - step / 50, 0.5, 90.0 - step))
        if step % 10 == 0:
            display.show(events.evaluated(step, 2.5 - step / 50))
    for lines in (before, panel_of(display, width, height)):
        assert len(lines) <= height - 1
        assert all(len(line) <= width for line in lines)


def test_the_panel_says_what_was_seen(make_model: Callable[..., Path]) -> None:
    events = run_of(make_model(scheme="abc"), clip_norm=1.0)
    clock = Clock()
    display = LiveDisplay(console_of(), clock)
    display.show(events.started)
    for step, norm in enumerate([0.5, 2.0, 2.0, 2.0, np.nan], 1):
        display.show(events.stepped(step, 2 * np.log(2), norm, 90.0))
    display.show(events.evaluated(5, 1.25))
    clock.now += 65
    shown = "\n".join(panel_of(display, 80, 24))
    for part in (
        "5/100  1:05  left 0:25",
        "loss 1.000  validation 1.250  best 1.250 bits/char",  # half a token a character
        "5,000 tokens/s",
        "(75% of updates clipped)",
        "1 updates left out",
        "bits/char  ⠒ training  o validation  * best",
        "100 steps",
        "a sample at step 5",
    ):
        assert part in shown, part
    assert "nan" not in shown
    wide = panel_of(display, 120, 40)
    assert any("training" in line and "a sample" in line for line in wide)  # side by side


def test_a_terminal_without_braille_gets_no_curves(make_model: Callable[..., Path]) -> None:
    events = run_of(make_model(scheme="abc"))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    display = LiveDisplay(
        Console(file=stream, width=80, height=24, force_terminal=True, color_system=None), Clock()
    )
    display.show(events.started)
    for step in range(1, 9):
        display.show(events.stepped(step, 3.0, 0.5, 90.0))
    display.show(events.evaluated(8, 2.0))
    display.console.print(display.panel())
    stream.flush()
    assert b"tokens/s" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_an_end_that_moves_away_is_told_once_and_again_when_twice_as_late(
    make_model: Callable[..., Path],
) -> None:
    events = run_of(make_model())
    clock, console = Clock(), console_of(200)
    display = LinesDisplay(console, clock)
    display.show(events.started)  # ends in 90 s
    for step, left in ((10, 81.0), (60, 50.0), (90, 17.0), (94, 30.0), (98, 53.0)):
        clock.now = NOON + step
        display.show(events.stepped(step, 3.0, 0.5, left))
        display.show(events.evaluated(step, 2.0))
    lines = [line for line in written(console).splitlines() if "slower" in line]
    assert len(lines) == 2  # 17 s late at step 90, 61 at step 98; at step 60 it may be mended
    assert "ends at about" in lines[0]
    assert "instead of" in lines[0]


@pytest.mark.parametrize("steps", [150, 60])
def test_another_number_of_steps_is_told_and_drawn(
    steps: int, make_model: Callable[..., Path]
) -> None:
    from seqgen.training.events import Recounted

    events = run_of(make_model(scheme="abc"))
    display = LiveDisplay(console_of(200), Clock())
    display.show(events.started)
    for step in range(1, 41):
        display.show(events.stepped(step, 3.0, 0.5, 90.0))
    display.show(Recounted(steps))
    for step in range(41, steps + 1):
        display.show(events.stepped(step, 2.0, 0.5, 90.0))
    said = written(display.console)
    shown = "\n".join(panel_of(display, 80, 24))
    assert f"{steps}/{steps}" in shown
    assert f"{steps} steps" in shown
    assert display.curves is not None
    assert display.curves.training[-1][0] == pytest.approx(steps - 0.5, abs=1)
    assert f"{steps} steps instead of 100, by the time that is left" in said


def test_a_display_that_shows_nothing_takes_no_time() -> None:
    silent = Display.choose(quiet=True)
    assert silent.silent
    assert silent.show_seconds == 0
    with silent.waiting(), silent:
        pass


def test_durations() -> None:
    assert [duration(s) for s in (-3, 0, 59.6, 61, 3600, 36_061)] == [
        *("0:00", "0:00", "1:00", "1:01", "1:00:00", "10:01:01")
    ]
