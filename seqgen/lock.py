"""One writer a file: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from seqgen.errors import OutputError
from seqgen.files import reason

__all__ = ["lock"]


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold ``path``, which may not exist yet, for this process alone while the block lasts.

    The lock is the system's own, on a small file beside ``path``. It is gone as soon as the
    process is, killed or not; the file that stays behind then means nothing. Where the system has
    no such locks (Windows, some network shares) nothing is held.

    Raises:
        OutputError: another process holds it, which is named; or the folder can't be written to.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    beside = path.with_name(f".{path.name}.lock")
    while True:
        try:
            fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputError(f"{beside}: can't be written: {reason(error)}") from error
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except (BlockingIOError, PermissionError) as error:
            holder = os.read(fd, 20).decode("ascii", "replace").strip()
            os.close(fd)
            raise OutputError(
                f"{path}: another seqgen is training it{f' (process {holder})' if holder else ''}; "
                "wait for that to end, or name another model with -o"
            ) from error
        except OSError:  # no locks here
            held = False
        if not held or _is(fd, beside):
            break
        os.close(fd)  # its holder removed it in between
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.truncate(fd, 0)
            os.write(fd, str(os.getpid()).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
        os.close(fd)


def _is(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
