"""Reading and writing files so that nothing is lost, half-written or read without bound.

Every file seqgen makes goes through :func:`write_atomically`; every file it is given goes through
:func:`read_bytes` or :func:`read_text`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seqgen.errors import InputError, OutputError

__all__ = [
    "decode_text",
    "output_stream",
    "read_bytes",
    "read_text",
    "reason",
    "require_folder",
    "write_atomically",
    "write_once",
]

MAX_INPUT_BYTES = 1 << 30
STDIN = "-"


def reason(error: OSError) -> str:
    """The system's own words for an error, lower-cased for use inside a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_INPUT_BYTES) -> bytes:
    """Read a regular file, or standard input for ``"-"``.

    Anything but a regular file (a FIFO, device or socket could block or never end) is refused.

    Raises:
        InputError: the file is missing, unreadable, not regular, or larger than ``max_bytes``.
    """
    if str(path) == STDIN:
        data = sys.stdin.buffer.read(max_bytes + 1)
    else:
        try:
            # O_NONBLOCK: opening a FIFO without a writer must fail below, not wait for ever.
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(fd, "rb") as file:
                mode = os.fstat(fd).st_mode
                if stat.S_ISDIR(mode):
                    raise InputError("is a folder; name a file in it", path=path)
                if not stat.S_ISREG(mode):
                    raise InputError("is not a regular file; copy its contents to one", path=path)
                data = file.read(max_bytes + 1)
        except OSError as error:
            if error.errno == errno.EISDIR:
                raise InputError("is a folder; name a file in it", path=path) from error
            raise InputError(f"can't be read: {reason(error)}", path=path) from error
        except ValueError as error:  # a NUL in the name
            raise InputError("is not a file name", path=repr(str(path))) from error
    if len(data) > max_bytes:
        limit = f"{max_bytes >> 20} MiB" if max_bytes >= 1 << 20 else f"{max_bytes} bytes"
        raise InputError(f"is larger than the limit of {limit}; split it", path=path)
    return data


def decode_text(
    data: bytes, *, path: str | os.PathLike[str] | None = None, encoding: str = "utf-8"
) -> str:
    """Decode a text file, byte-order mark removed, line ends untouched.

    Raises:
        InputError: the bytes are binary, or not in ``encoding`` (the first bad byte is named).
    """
    try:
        codec = encoding.lower().replace("_", "-")
        text = data.decode("utf-8-sig" if codec in ("utf-8", "utf8") else codec)
    except LookupError as error:
        raise InputError(
            f"unknown encoding '{encoding}'; try utf-8, latin-1 or utf-16", path=path
        ) from error
    except UnicodeDecodeError as error:
        if b"\0" in data[:8192]:
            raise InputError("is a binary file, not text", path=path) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"byte {error.start} (0x{data[error.start]:02x}) is not {encoding.upper()}; "
            "if the file is in another encoding, name it with --encoding, such as latin-1",
            path=path,
            line=line,
        ) from error
    nul = text.find("\0")
    if nul >= 0:
        raise InputError(f"is a binary file, not text (NUL at character {nul})", path=path)
    return text


def read_text(
    path: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    max_bytes: int = MAX_INPUT_BYTES,
) -> str:
    """Read a whole text file (or stdin for ``"-"``); see read_bytes and decode_text."""
    return decode_text(read_bytes(path, max_bytes=max_bytes), path=path, encoding=encoding)


def require_folder(path: Path) -> Path:
    """The folder that ``path`` will be written in, made if it is missing.

    Raises:
        OutputError: it can't be made or written to.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't make this folder: {reason(error)}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: this folder can't be written to; choose another")
    return folder


@contextlib.contextmanager
def output_stream(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary stream whose contents become ``path`` only if the block ends without an error.

    The bytes go to a temporary file in the same folder, which is synced, renamed over ``path``,
    and made durable by syncing the folder: after a crash or power loss ``path`` is the old file or
    the new one, never a part. On any error the temporary file is removed.

    Raises:
        OutputError: the folder or file can't be written (full, read-only, no permission …).
    """
    target = Path(path)
    temporary: str | None = None
    try:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; name a file in it")
        fd, temporary = tempfile.mkstemp(
            prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent
        )
        with os.fdopen(fd, "wb") as stream:
            yield stream
            stream.flush()
            # mkstemp makes the file private; a result gets the mode an ordinary file would have.
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(stream.fileno(), 0o666 & ~mask)
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise OutputError(f"{target}: can't be written: {reason(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file at once, durably; see output_stream."""
    with output_stream(path) as stream:
        stream.write(data)


def write_once(path: str | os.PathLike[str], data: bytes) -> None:
    """The same for a file whose first writer counts: one that is there already stays as it is.

    Raises:
        OutputError: see output_stream.
    """
    target = Path(path)
    mine = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    write_atomically(mine, data)
    try:
        target.hardlink_to(mine)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not target.exists():
            mine.replace(target)
    finally:
        with contextlib.suppress(OSError):
            mine.unlink()


def _sync_folder(folder: Path) -> None:
    # Some systems (Windows, some network shares) can't open or sync a folder; the rename stands.
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
