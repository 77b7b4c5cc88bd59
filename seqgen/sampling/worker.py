"""The other side of `crew`: a process that draws what it is told to."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import traceback
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from seqgen.sampling.crew import Make
    from seqgen.sampling.sampler import Sample

__all__ = ["work"]


def work() -> None:
    """A worker's life, between its standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import seqgen.sampling.sampler  # noqa: F401 -- by this thread, before the other needs it

    told: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_hear, args=(sys.stdin.buffer, told), daemon=True).start()
    saved, sampler = told.get(), None
    with contextlib.suppress(BrokenPipeError):
        while True:
            asked, numbers, prompts, attempt = told.get()
            try:
                if asked is not None:
                    make: Make = pickle.loads(asked)
                    sampler = make(saved, like=sampler)
                assert sampler is not None  # the first errand says what is asked
                sampler.hasten(len(numbers))
                for sample in sampler.samples(numbers, prompts, attempt=attempt):
                    _tell(sample)
            except BrokenPipeError:
                raise
            except Exception as error:
                error.add_note(traceback.format_exc())  # for --debug
                _tell(error)
    os._exit(0)  # a thread waits at the other pipe, and does so for ever


def _tell(answer: Sample | Exception) -> None:
    sys.stdout.buffer.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    sys.stdout.buffer.flush()


def _hear(source: BinaryIO, told: SimpleQueue[Any]) -> None:
    """Pass on what this worker is told; who tells no more is gone, or waits for nothing more."""
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            told.put(pickle.load(source))
    os._exit(0)
