"""Processes that draw samples beside each other: a crew of workers, one a core.

A sample depends on its seed and number alone, so whoever draws it, it is the same. A worker is a
Python of its own, started afresh (a process with threads, as NumPy's products have, can't be forked
safely) and without the program that asks, which may be anything. It has the model, what is asked
and its share of the numbers from this process, by a pipe, and sends samples back by another:
nothing lies in a file. It multiplies in one thread, since every core has a worker. It ends when its
pipe does, however this process has ended, and leaves Ctrl-C to it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint
    from seqgen.sampling.sampler import Sample, Sampler

__all__ = ["Crew", "Make", "usable_cores"]

# To start a worker takes 0.2 to 0.3 s of a core: as long as 6 texts of 500 tokens of a Transformer
# of 4 x 192 take, at 10,000 tokens a second, or 13 tunes at 23 ms each. With twice as many for each
# worker its start is worth it, for whoever has not said how many there are to be.
_SHARE = 24
# Processes, where it is not said: of many cores a container may be lent two and be told of all.
_USUAL = 8
# Samples of one errand, at most: drawn up to 64 at a time, of which the last ones leave rows empty.
_MOST = 256
_LEAST = 32  # where there are as many for each

# Whoever imports what this process does finds it in the same places.
_BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from seqgen.sampling.worker import work; work()"
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

Make = Callable[..., "Sampler"]  # of a Checkpoint, and ``like``; it can be pickled
Answer = tuple["_Worker", "Sample | Exception | None"]


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """The workers of one model, started when there is enough for them to do.

    Args:
        saved: the model; workers have its weights from here, whatever becomes of its file.
        jobs: how many may draw at once; 1 is this process alone. None is one for each core, but no
            more than 8, nor than have enough to do to be worth their start.
    """

    def __init__(self, saved: Checkpoint, jobs: int | None) -> None:
        self._saved = saved
        self._jobs = min(_USUAL, usable_cores()) if jobs is None else jobs
        self._share = _SHARE if jobs is None else 1
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._busy = False
        weakref.finalize(self, _dismiss, self._workers)

    def size(self, samples: int, draws: int) -> int:
        """How many workers are worth having.

        Args:
            samples: that are wanted.
            draws: that these take.
        Returns:
            0 if this process had better draw them itself, as it must where workers are drawing.
        """
        size = min(self._jobs, samples, draws // self._share)
        return size if size > 1 and not self._busy and sys.executable else 0

    def start(self, size: int) -> bool:
        """See that there are so many workers, at least; whether some are new, and not there yet."""
        new = size - len(self._workers)
        for _ in range(new):
            self._workers.append(_Worker(self._answers))
        return new > 0

    def draw(
        self, make: Make, numbers: Sequence[int], prompts: Sequence[str] | None, attempt: int
    ) -> Iterator[Sample]:
        """What ``Sampler.samples`` yields for the same arguments, drawn by the workers.

        Args:
            make: makes the sampler.
        Raises:
            SeqgenError: a worker has ended; or as there.
        """
        asked = pickle.dumps(make)
        idle, errands = [*self._workers], _errands(len(numbers), len(self._workers))
        room = 2 * _MOST * len(idle)  # samples that may wait for one before them
        begin = end = place = 0
        drawn: dict[int, Sample | Exception] = {}
        self._busy = True
        try:
            while place < len(numbers):
                while idle and end < len(numbers) and end < place + room:
                    begin, end = end, end + next(errands)
                    own = None if prompts is None else prompts[begin:end]
                    idle.pop(0).send(self._saved, asked, range(begin, end), numbers, own, attempt)
                if place not in drawn:
                    worker, answer = self._answers.get()
                    if answer is None:
                        raise SeqgenError(worker.epitaph())
                    drawn[worker.due.pop(0)] = answer
                    if not worker.due:
                        idle.append(worker)
                    continue
                found = drawn.pop(place)
                if isinstance(found, Exception):
                    raise found
                place += 1
                yield found
        finally:
            self._busy = False
            if place < len(numbers):  # nobody waits for what they are at
                self._answers = SimpleQueue()
                _dismiss(self._workers)


class _Worker:
    """One worker, from this side.

    Args:
        answers: where its samples go.
    Attributes:
        due: places of the samples that it is to send, in their order.
    """

    def __init__(self, answers: SimpleQueue[Answer]) -> None:
        self.due: list[int] = []
        self._asked: bytes | None = None
        with _held_back("SIGINT"):  # it inherits this, and Ctrl-C is for this process alone
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BEGIN, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | _ONE_THREAD,
            )
        self._listener = threading.Thread(target=_listen, args=(self, answers), daemon=True)
        self._listener.start()

    def send(
        self,
        saved: Checkpoint,
        asked: bytes,
        places: range,
        numbers: Sequence[int],
        prompts: Sequence[str] | None,
        attempt: int,
    ) -> None:
        """Give it an errand; see ``Crew.draw``."""
        assert self.process.stdin is not None
        own = numbers[places.start : places.stop]
        # SIGPIPE would end the command; that the worker has died comes by the other pipe.
        with _held_back("SIGPIPE"), contextlib.suppress(OSError):
            if self._asked is None:
                pickle.dump(saved, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            changed = asked if asked != self._asked else None
            pickle.dump((changed, own, prompts, attempt), self.process.stdin)
            self.process.stdin.flush()
        self._asked = asked
        self.due.extend(places)

    def epitaph(self) -> str:
        """What to say of one that has ended without being told to."""
        self.process.kill()  # of no effect where it has
        status = self.process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"a process that drew samples {how}; fewer (--jobs) need less memory"

    def end(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        with _held_back("SIGPIPE"), contextlib.suppress(OSError):
            self.process.stdin.close()
        self._listener.join()


def _listen(worker: _Worker, answers: SimpleQueue[Answer]) -> None:
    """Pass on what a worker sends, and None at its end."""
    assert worker.process.stdout is not None
    with worker.process.stdout as source, contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            answers.put((worker, pickle.load(source)))
    answers.put((worker, None))


def _dismiss(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().end()


@contextlib.contextmanager
def _held_back(name: str) -> Iterator[None]:
    """A signal waits for the end of this, but SIGPIPE, which is only about what is done here."""
    sign = getattr(signal, name, None)
    if sign is None or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [sign])
    try:
        yield
    finally:
        if name == "SIGPIPE" and sign in signal.sigpending():
            signal.sigwait([sign])
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _errands(samples: int, workers: int) -> Iterator[int]:
    """How many samples to hand out next: ever fewer, so that all workers end at about one time.

    Guided self-scheduling (Polychronopoulos & Kuck 1987), between bounds.
    """
    least = min(_LEAST, -(-samples // workers))
    while samples > 0:
        size = min(samples, max(least, min(_MOST, samples // workers)))
        yield size
        samples -= size
