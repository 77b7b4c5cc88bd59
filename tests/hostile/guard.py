"""What a reader of strangers' files must not do, watched in a process of its own.

A process started with limits() can't have more memory than a gibibyte; within ``guarded`` it may
neither run other code nor reach for the network, another program or a file to write; and an alarm
ends what takes more than a second of the processor's time.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1 << 30
SECONDS = 1.0
ROOT = Path(__file__).parents[2]

# Audit events (Python's documentation has the table).
OUTSIDE = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "ctypes.", "urllib.", "http.", "ftplib.", "shutil.", "os.remove", "os.rename", "os.rmdir",
    "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "pty.",
    "pickle.", "webbrowser.", "tempfile.",
)  # fmt: skip
CODE = ("exec", "import", "compile", "marshal.")

_state: dict[str, Any] = {"forbidden": (), "broken": []}


class TooSlow(BaseException):
    """Not an Exception: a reader that catches all of these must not swallow it."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    forbidden = _state["forbidden"]
    if not forbidden:
        return
    writes = event == "open" and (
        (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if writes or event.startswith(forbidden):
        _state["broken"].append(f"{event} {arguments!r:.200}")
        raise PermissionError(event)


def limits() -> None:
    """Set what holds for the whole process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.addaudithook(_hook)

    def slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, slow)


@contextmanager
def guarded(*, code: bool = False) -> Iterator[None]:
    """Watch a block.

    Args:
        code: whether it may run code: libraries that we do not answer for import late.
    """
    _state["forbidden"] = OUTSIDE if code else OUTSIDE + CODE
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _state["forbidden"] = ()
    if _state["broken"]:
        raise AssertionError(f"did what it must not: {_state['broken']}")


def peak_bytes() -> int:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(module: str, *arguments: object) -> dict[str, Any]:
    """Run ``python -m module arguments`` and return the JSON that it prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
