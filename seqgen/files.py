"""Reading and writing files so that nothing is lost, half-written or read without bound.

Every file seqgen makes goes through :func:`write_atomically`; every file it is given goes through
:func:`read_bytes` or :func:`read_text`, or, a piece at a time, :func:`stream_text`.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seqgen.errors import InputError, OutputError

__all__ = [
    "cache_folder",
    "decode_text",
    "output_stream",
    "read_bytes",
    "read_text",
    "reason",
    "remove_leftovers",
    "require_folder",
    "stdin_is_pipe",
    "stream_text",
    "write_atomically",
    "write_once",
]

MAX_INPUT_BYTES = 1 << 30
MAX_STREAMED_BYTES = 1 << 34
PIECE_BYTES = 1 << 20
STDIN = "-"
LONGEST_NAME = 50  # characters of a name, of up to four bytes each, in that of its temporary file
# What systems say that have no second names for files, and whose folders can't be synced.
UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
UNSYNCED = UNSUPPORTED | {errno.EINVAL, errno.EACCES, errno.EBADF, errno.EISDIR}


def reason(error: OSError) -> str:
    """The system's own words for an error, lower-cased for use inside a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def stdin_is_pipe() -> bool:
    """Whether another program writes to stdin; a terminal, a file and a closed one are no pipes."""
    try:
        return stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return False


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_INPUT_BYTES) -> bytes:
    """Read a regular file, or standard input for ``"-"``.

    Anything but a regular file (a FIFO, device or socket could block or never end) is refused.

    Raises:
        InputError: the file is missing, unreadable, not regular, or larger than ``max_bytes``.
    """
    if str(path) == STDIN:
        data = sys.stdin.buffer.read(max_bytes + 1)
    else:
        with _open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > max_bytes:
                raise _too_large(max_bytes, path)
            data = _read(file, max_bytes + 1, path)
    if len(data) > max_bytes:
        raise _too_large(max_bytes, path)
    return data


def _open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        # O_NONBLOCK: opening a FIFO without a writer must fail below, not wait for ever.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}", path=path) from error
    except ValueError as error:  # a NUL in the name
        raise InputError("is not a file name", path=repr(str(path))) from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(fd, "rb")
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise InputError("is a folder; name a file in it", path=path)
    raise InputError("is not a regular file; copy its contents to one", path=path)


def _read(file: BinaryIO, size: int, path: str | os.PathLike[str]) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}", path=path) from error


def _read_stdin() -> bytes:
    """What is there of standard input, once there is anything; nothing at its end."""
    try:
        return os.read(sys.stdin.fileno(), PIECE_BYTES)
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}", path=STDIN) from error


def _too_large(max_bytes: int, path: str | os.PathLike[str]) -> InputError:
    limit = f"{max_bytes >> 20} MiB" if max_bytes >= 1 << 20 else f"{max_bytes} bytes"
    return InputError(f"is larger than the limit of {limit}; split it", path=path)


def decode_text(
    data: bytes, *, path: str | os.PathLike[str] | None = None, encoding: str = "utf-8"
) -> str:
    """Decode a text file, byte-order mark removed, line ends untouched.

    Raises:
        InputError: the bytes are binary, or not in ``encoding`` (the first bad byte is named).
    """
    codec = _codec(encoding, path)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        at = len(data) - len(error.object) + error.start
        line = data.count(b"\n", 0, at) + 1
        raise _undecodable(data, at, line, path, encoding, error.object[error.start]) from error
    _refuse_nul(text, 0, path)
    return text


def stream_text(
    path: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    max_bytes: int = MAX_STREAMED_BYTES,
) -> Iterator[str]:
    """Read a text file, or standard input for ``"-"``, in pieces of bounded size.

    Joined, they are what read_text gives. Of standard input, whatever is there is a piece, however
    little, and there may be any amount.

    Raises:
        InputError: as for read_bytes and decode_text.
    """
    decoder = codecs.getincrementaldecoder(_codec(encoding, path))()
    beginning = b""
    done_bytes = done_lines = done_characters = 0
    with contextlib.ExitStack() as stack:
        file = None if str(path) == STDIN else stack.enter_context(_open_regular(path))
        if file is not None and os.fstat(file.fileno()).st_size > max_bytes:
            raise _too_large(max_bytes, path)
        while True:
            data = _read(file, PIECE_BYTES, path) if file is not None else _read_stdin()
            beginning = beginning or data
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                # The decoder also looked at what it had kept of the piece before.
                within = len(data) - len(error.object) + error.start
                lines = done_lines + data.count(b"\n") - error.object.count(b"\n", error.start)
                bad = error.object[error.start]
                at = done_bytes + within
                raise _undecodable(beginning, at, lines + 1, path, encoding, bad) from error
            except UnicodeError as error:  # UTF-16 and UTF-32 of either byte order
                raise InputError(
                    f"begins with no byte-order mark; name it as --encoding {encoding}-le or -be",
                    path=path,
                ) from error
            _refuse_nul(text, done_characters, path)
            if text:
                yield text
            if not data:
                return
            done_bytes += len(data)
            done_lines += data.count(b"\n")
            done_characters += len(text)


def _codec(encoding: str, path: str | os.PathLike[str] | None) -> str:
    name = encoding.lower().replace("_", "-")
    try:
        b" ".decode(name, "ignore")  # `hex` and its like are codecs, but of no text
        codecs.getincrementaldecoder(name)
    except LookupError as error:
        raise InputError(
            f"unknown encoding '{encoding}'; try utf-8, latin-1 or utf-16", path=path
        ) from error
    return "utf-8-sig" if name in ("utf-8", "utf8") else name


def _undecodable(
    beginning: bytes,
    at: int,
    line: int,
    path: str | os.PathLike[str] | None,
    encoding: str,
    bad: int,
) -> InputError:
    if b"\0" in beginning[:8192]:
        return InputError("is a binary file, not text", path=path)
    return InputError(
        f"byte {at} (0x{bad:02x}) is not {encoding.upper()}; "
        "if it is in another encoding, name that with --encoding, such as latin-1, or convert it, "
        "as in: iconv -f latin-1 -t utf-8",
        path=path,
        line=line,
    )


def _refuse_nul(text: str, before: int, path: str | os.PathLike[str] | None) -> None:
    nul = text.find("\0")
    if nul >= 0:
        raise InputError(f"is a binary file, not text (NUL at character {before + nul})", path=path)


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


def cache_folder() -> Path:
    """The user's folder for what seqgen can make or fetch again; it may not exist."""
    import pooch

    return Path(pooch.os_cache("seqgen"))


@contextlib.contextmanager
def output_stream(
    path: str | os.PathLike[str], *, previous: Path | None = None
) -> Iterator[BinaryIO]:
    """A binary stream whose contents become ``path`` only if the block ends without an error.

    The bytes go to a temporary file in the same folder, which is synced, renamed over ``path``,
    and made durable by syncing the folder: after a crash or power loss ``path`` is the old file or
    the new one, never a part. On any error the temporary file is removed.

    Args:
        previous: the name that the file which was at ``path`` keeps, where the file system knows
            second names. What was there before goes only now that its follower is durable.
    Raises:
        OutputError: the folder or file can't be written (full, read-only, no permission …).
    """
    target = Path(path)
    temporary: Path | None = None
    if "\0" in target.name:
        raise OutputError(f"{str(target)!r}: is no file name")
    try:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; name a file in it")
        # Its name is known before it is there, so that Ctrl-C at any moment finds it.
        temporary = _temporary(target)
        with os.fdopen(_create(temporary), "wb") as stream:
            yield stream
            stream.flush()
            # Until now the file is private; a result gets the mode an ordinary file would have.
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(stream.fileno(), 0o666 & ~mask)
            os.fsync(stream.fileno())
        first = not target.exists()
        if previous is not None and not first:
            _keep(target, previous)
        temporary.replace(target)
        temporary = None
        _sync_folder(target.parent)
        if previous is not None and first:  # then it is of another file that was here
            previous.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: can't be written: {reason(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_atomically(
    path: str | os.PathLike[str], data: bytes, *, previous: Path | None = None
) -> None:
    """Write a whole file at once, durably; see output_stream."""
    with output_stream(path, previous=previous) as stream:
        stream.write(data)


def remove_leftovers(path: Path) -> None:
    """Remove what processes left behind that were killed while they wrote ``path``.

    Only for who alone may write it: the temporary file of a living process would go too.
    """
    if len(path.name) > LONGEST_NAME:  # it may be that of another name with the same beginning
        return
    import glob

    for left in path.parent.glob(glob.escape(_prefix(path)) + "????????.tmp"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink()


def _prefix(target: Path) -> str:
    return f".{target.name[:LONGEST_NAME]}."


def _temporary(target: Path) -> Path:
    """A name beside a file's that nobody has."""
    return target.with_name(f"{_prefix(target)}{os.urandom(4).hex()}.tmp")


def _create(path: Path) -> int:
    """A descriptor to write a new file by, which is private."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)


def _keep(target: Path, previous: Path) -> None:
    """Give a file a second name at once, whatever had that name before."""
    second = _temporary(target)
    try:
        second.hardlink_to(target)
        second.replace(previous)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        # Where both were the same file already, replacing one by the other did nothing at all.
        with contextlib.suppress(OSError):
            second.unlink()


def write_once(path: str | os.PathLike[str], data: bytes) -> None:
    """The same for a file whose first writer counts: one that is there already stays as it is.

    Raises:
        OutputError: see output_stream.
    """
    target = Path(path)
    mine = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
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
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in UNSYNCED:
            raise
