"""One writer a file, and no lock without a living holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqgen.errors import OutputError
from seqgen.lock import lock

HOLD = """
import sys
from pathlib import Path
from seqgen.lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds a lock until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_refused_by_name_until_the_holder_ends_or_dies(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for ends in ("by itself", "killed"):
        with hold(path) as process:
            with pytest.raises(OutputError, match=rf"m\.safetensors: .*\(process {process.pid}\)"):
                lock(path).__enter__()
            with lock(tmp_path / "other.safetensors"):
                pass
            if ends == "killed":
                process.kill()
        assert [file.name for file in tmp_path.iterdir()] == (
            [".m.safetensors.lock"] if ends == "killed" else []
        )
        with lock(path):
            assert (tmp_path / ".m.safetensors.lock").read_text() == str(os.getpid())
        assert not list(tmp_path.iterdir())


def test_a_lock_that_its_holder_removes_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder ends between our opening its file and our locking it."""
    import fcntl

    path = tmp_path / "m.safetensors"
    beside = tmp_path / ".m.safetensors.lock"
    real, calls = fcntl.lockf, []

    def lockf(fd: int, how: int) -> None:
        if not calls:
            beside.unlink()
        calls.append(fd)
        real(fd, how)

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with lock(path):
        assert len(calls) == 2
        assert beside.read_text() == str(os.getpid())


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / ".m.safetensors.lock").symlink_to(precious)
    with pytest.raises(OutputError, match=r"\.lock: can't be written"):
        lock(tmp_path / "m.safetensors").__enter__()
    assert precious.read_text() == "kept"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written: no such file"):
        lock(tmp_path / "none" / "m.safetensors").__enter__()
