"""The live display in a real terminal, eighty columns wide."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np


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
