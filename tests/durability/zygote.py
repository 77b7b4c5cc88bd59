"""Starts ``seqgen`` commands that find TensorFlow imported, which is most of a start's time.

Reads one JSON object a line: ``arguments``, ``cwd``, ``said`` (the file for stderr) and perhaps
``killed_at`` (in which of its saves, and ahead of which file operation in it, both from 1, to be
killed) or ``largest`` (bytes a file may have). Answers with the new process's id and, when it has
ended, its exit status; a signal's is negative.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from tests.durability.operations import Operation, watched


def main() -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # No operation may run here, or TensorFlow's threads would be missing in what is forked.
    import keras
    import tensorflow  # noqa: F401

    import seqgen.cli.main  # noqa: F401

    keras.config.disable_traceback_filtering()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if not pid:
            begin(task)
            return
        say(pid)
        _, status = os.waitpid(pid, 0)
        say(os.waitstatus_to_exitcode(status))


def say(number: int) -> None:
    sys.__stdout__.write(f"{number}\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def begin(task: dict[str, Any]) -> None:
    os.chdir(task["cwd"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    said = os.open(task["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, fd in enumerate((nowhere, nowhere, said)):
        os.dup2(fd, number)
    sys.argv = ["seqgen", *task["arguments"]]
    from seqgen.__main__ import main as command

    if largest := task.get("largest"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not (killed_at := task.get("killed_at")):
        command()
    at = [0, 0]

    def before(operation: Operation) -> None:
        if operation.kind == "create" and ".safetensors." in operation.name:
            at[:] = at[0] + 1, 0
        else:
            at[1] += 1
        if at == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with watched(Path.cwd(), before):
        command()


if __name__ == "__main__":
    main()
