"""Only regular files of bounded size are read; nothing else is waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen import checkpoint, files
from seqgen.corpus.readers import load
from seqgen.errors import CheckpointError, InputError
from seqgen.music import melody, midi, music21_reader
from seqgen.music.remi.reader import read as read_events
from seqgen.training.metrics import read_curves

Reader = Callable[[str], object]
READERS: dict[str, Reader] = {
    "bytes": files.read_bytes,
    "text": files.read_text,
    "a stream": lambda path: list(files.stream_text(path)),
    "a corpus": lambda path: load([path]),
    "a model": checkpoint.load,
    "curves": lambda path: read_curves(Path(path)),
}


@pytest.fixture(autouse=True)
def _odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    listener.close()
    Path("loop").symlink_to("loop")
    Path("first").symlink_to("second")
    Path("second").symlink_to("first")
    Path("to-fifo").symlink_to("fifo")
    Path("folder").mkdir()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "name",
    ["fifo", "socket", "loop", "first", "to-fifo", "/dev/zero", "/dev/tty", "folder", "none", ""],
)
def test_what_is_no_regular_file_is_refused(reader: str, name: str) -> None:
    if reader == "a corpus" and name == "folder":
        pytest.skip("a folder is a corpus")
    # A reader that waited would never come back: nobody writes, and /dev/zero has no end.
    with pytest.raises((InputError, CheckpointError)):
        READERS[reader](name)


@pytest.mark.parametrize("reader", ["bytes", "text", "a corpus", "curves"])
def test_a_file_beyond_the_limit_is_refused_unread(
    reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("large.txt").open("wb") as file:
        file.truncate(files.MAX_INPUT_BYTES + 1)  # takes no room on the disk
    monkeypatch.setattr(files, "_read", lambda *_: pytest.fail("it was read"))
    monkeypatch.setattr("seqgen.corpus.documents.LARGE", files.MAX_INPUT_BYTES + 2)
    with pytest.raises(InputError, match=r"^large\.txt: .*limit of 1024 MiB"):
        READERS[reader]("large.txt")


def test_a_text_that_is_streamed_has_a_limit_too() -> None:
    with Path("large.txt").open("wb") as file:
        file.truncate(files.MAX_STREAMED_BYTES + 1)
    with pytest.raises(InputError, match="limit of 16384 MiB"):
        next(files.stream_text("large.txt"))


def test_a_file_that_grows_while_it_is_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("x").write_bytes(b"123")
    monkeypatch.setattr(files, "_read", lambda *_: b"123456")
    with pytest.raises(InputError, match="limit of 5 bytes"):
        files.read_bytes("x", max_bytes=5)


@pytest.mark.parametrize(
    "read",
    [midi.read, melody.read_melody, read_events, music21_reader.read_musicxml,
     music21_reader.read_mxl, music21_reader.read_kern],
)  # fmt: skip
def test_files_of_music_have_limits_of_their_own(read: Callable[..., object]) -> None:
    assert midi.MAX_FILE_BYTES == music21_reader.MAX_BYTES == 16 << 20
    with pytest.raises(InputError, match=r"^x: .*16 MiB"):
        read(b"MThd" + bytes((16 << 20) - 3), path="x")


@pytest.mark.parametrize("pattern", ["**/*.abc", "folder/**/*.abc", "./**/*.abc"])
def test_links_that_go_round_in_circles_are_not_followed(pattern: str) -> None:
    Path("folder/a").mkdir()
    Path("folder/a/x.abc").write_text("X:1\nK:C\nCDEF|]\n")
    for name in ("folder/one", "folder/two", "folder/a/three"):
        Path(name).symlink_to(Path.cwd(), target_is_directory=True)
    assert [each.source for each in load([pattern]).documents] == [
        "./folder/a/x.abc" if pattern.startswith(".") else "folder/a/x.abc"
    ]
    assert len(load(["folder"]).documents) == 1


def test_stdin_is_bounded() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m seqgen sample - < /dev/zero', sys.executable],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "<stdin>: is larger than the limit of 16 MiB" in done.stderr
