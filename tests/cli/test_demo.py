"""``seqgen demo``: the whole way, in a few seconds instead of two minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mido
import pytest

from seqgen import checkpoint


@pytest.mark.timeout(280)
def test_demo_learns_and_writes_tunes_that_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "demo", "--budget", "90s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert made == [
        "model.metrics.jsonl",
        "model.safetensors",
        *(f"tune-{n}.{form}" for n in (1, 2, 3, 4) for form in ("abc", "mid")),
    ]
    assert done.stdout == (tmp_path / "demo" / "tune-1.abc").read_text()
    assert "Next:" in done.stderr
    for number in (1, 2, 3, 4):
        file = mido.MidiFile(tmp_path / "demo" / f"tune-{number}.mid")
        assert sum(m.type == "note_on" and m.velocity > 0 for track in file.tracks for m in track)
    card = checkpoint.load(tmp_path / "demo" / "model.safetensors").card
    assert card.corpus["name"] == "ryans-mammoth"
    # In so short a time it still learns more than how often each character occurs (4.6 bits).
    assert card.metrics["bits_per_char"] < 4.5
