from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import files
from seqgen.errors import InputError, OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_with_ordinary_rights(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    files.write_atomically(path, b"one")
    files.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError, match=r"x\.bin: can't be written: no space left"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


def test_ctrl_c_at_the_moment_a_file_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = files._create

    def interrupted(path: Path) -> int:
        os.close(create(path))
        assert len(names(tmp_path)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "x.bin", b"new")
    assert names(tmp_path) == []


def test_an_error_or_ctrl_c_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def write_half(error: type[BaseException]) -> None:
        with files.output_stream(path) as stream:
            stream.write(b"half")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            write_half(error)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


def test_missing_and_blocked_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such file"):
        files.write_atomically(tmp_path / "none" / "x", b"")
    with pytest.raises(OutputError, match="is a folder"):
        files.write_atomically(tmp_path, b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't make this folder"):
        files.require_folder(tmp_path / "file" / "x")
    assert files.require_folder(tmp_path / "new" / "deep" / "x").is_dir()


def test_reading_refuses_all_but_regular_files_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    began = time.monotonic()
    with pytest.raises(InputError, match="not a regular file"):
        files.read_bytes(fifo)
    with pytest.raises(InputError, match="not a regular file"):
        files.read_bytes("/dev/zero")
    with pytest.raises(InputError, match="is a folder"):
        files.read_bytes(tmp_path)
    assert time.monotonic() - began < 5  # it would have blocked for ever
    with pytest.raises(InputError, match="no such file"):
        files.read_bytes(tmp_path / "none")
    with pytest.raises(InputError, match="not a file name"):
        files.read_bytes("a\0b")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="can't be read"):
        files.read_bytes(loop)


def test_the_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert files.read_bytes(path, max_bytes=5) == b"12345"
    with pytest.raises(InputError, match="limit of 4 bytes"):
        files.read_bytes(path, max_bytes=4)


def test_text_names_the_first_bad_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"one\ntwo \xe9t\xe9\n")
    with pytest.raises(InputError, match=r"x\.txt:2: byte 8 \(0xe9\) is not UTF-8.*--encoding"):
        files.read_text(path)
    assert files.read_text(path, encoding="latin-1") == "one\ntwo été\n"
    with pytest.raises(InputError, match="unknown encoding 'klingon'"):
        files.read_text(path, encoding="klingon")


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\0\xfe", b"\x89PNG\r\n\x1a\n\0\0"])
def test_binary_is_called_binary(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is a binary file"):
        files.read_text(path)


@given(
    data=st.binary(max_size=40)
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.text("a\né\U0001d11e", max_size=20).map(lambda text: b"\xef\xbb\xbf" + text.encode()),
    encoding=st.sampled_from(["utf-8", "UTF_8", "latin-1", "utf-16-le", "shift-jis", "klingon"]),
    size=st.integers(1, 50),
)
def test_a_streamed_text_is_the_text_or_the_same_error(
    data: bytes, encoding: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "streamed"
    path.write_bytes(data)

    def outcome(read: Callable[[], str]) -> str:
        try:
            return f"text: {read()}"
        except InputError as error:
            return f"error: {error}"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "PIECE_BYTES", size)
        streamed = outcome(lambda: "".join(files.stream_text(path, encoding=encoding)))
    whole = outcome(lambda: files.read_text(path, encoding=encoding))
    # Which fault of several comes first hangs on the pieces.
    binary = [one.startswith("error") and "binary" in one for one in (streamed, whole)]
    assert streamed == whole or (any(binary) and streamed.startswith("error"))


def test_the_first_bad_byte_is_counted_with_the_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa\n\xe9\n")
    for read in (files.read_text, lambda path: list(files.stream_text(path))):
        with pytest.raises(InputError, match=r"x:2: byte 5 \(0xe9\)"):
            read(path)


def test_what_can_not_be_streamed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a\0b\0")
    with pytest.raises(InputError, match=r"no byte-order mark; .*utf-16-le or -be"):
        list(files.stream_text(path, encoding="utf-16"))
    with pytest.raises(InputError, match="unknown encoding 'hex'"):
        list(files.stream_text(path, encoding="hex"))
    with pytest.raises(InputError, match="limit of 3 bytes"):
        list(files.stream_text(path, encoding="utf-16-le", max_bytes=3))
    with pytest.raises(InputError, match="not a regular file"):
        list(files.stream_text("/dev/zero"))


def test_a_byte_order_mark_goes_and_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert files.read_text(path) == "a\r\nb\n"


def test_two_writers_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    contents = [bytes([65 + i]) * 200_000 for i in range(8)]
    threads = [threading.Thread(target=files.write_atomically, args=(path, c)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["x"]


def test_write_once_leaves_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_once(path, b"one")
    files.write_once(path, b"two")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(OutputError, match="can't be written"):
        files.write_once(tmp_path / "none" / "a.json", b"one")


def test_leftovers_of_a_file_are_removed_and_of_no_other(tmp_path: Path) -> None:
    path = tmp_path / "m[1].safetensors"
    own = [".m[1].safetensors.abcd_123.tmp", ".m[1].safetensors.12345678.tmp"]
    others = [".m1.safetensors.12345678.tmp", ".m[1].safetensors.x.12345678.tmp", "m.tmp"]
    others += [".m[1].safetensors.lock", path.name]
    for name in (own[0], *others):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / own[1]).mkdir()
    (tmp_path / own[1] / "part").write_bytes(b"")
    files.remove_leftovers(path)
    assert names(tmp_path) == sorted(others)
    long = tmp_path / f"{'m' * 100}.safetensors"
    with files.output_stream(long):
        (left,) = tmp_path.glob(".mmm*.tmp")
        files.remove_leftovers(long)  # it may be another's, whose name begins alike
        assert left.exists()


def test_a_file_system_without_second_names_keeps_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, previous = tmp_path / "x", tmp_path / "x.previous"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    files.write_atomically(path, b"new", previous=previous)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x"]


def test_a_folder_that_can_not_be_synced_is_no_error_but_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    number = errno.EINVAL

    def fail_on_folders(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(number, os.strerror(number))
        real(fd)

    monkeypatch.setattr(os, "fsync", fail_on_folders)
    files.write_atomically(tmp_path / "x", b"one")
    number = errno.EIO
    with pytest.raises(OutputError, match="input/output error"):
        files.write_atomically(tmp_path / "x", b"two")
