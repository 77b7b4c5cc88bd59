"""A corpus as token ids, end to end: in memory, or, of a large corpus, in a file mapped into it.

A large corpus is tokenized by several processes into a file of the user's cache folder, named by
what decides its contents: the corpus's digest, the tokenizer and FORMAT. It appears under its name
when it is whole and not before, so several runs may make it, or read it, at once. It holds

    ids       (tokens,) unsigned, of as few bytes as the vocabulary needs, little-endian
    padding   to a multiple of 8 bytes
    ends      (documents,) int64, where each document's ids end
    trailer   MAGIC, bytes of an id, number of ids, number of documents
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import multiprocessing
import os
import signal
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from seqgen.corpus import documents
from seqgen.corpus.documents import Corpus
from seqgen.errors import OutputError, TrainingError
from seqgen.files import cache_folder, output_stream, require_folder
from seqgen.tokenization.tokenizer import Tokenizer

__all__ = ["Encoded", "encode", "is_large"]

IntArray = NDArray[np.int32]

FORMAT = 1  # to be raised when a tokenizer cuts texts, or the file holds ids, in another way
MAGIC = b"seqgenid"
TRAILER = struct.Struct("<8sQQQ")
SUFFIX = ".ids"
FILES_KEPT = 4  # in the cache, the last used
TEMPORARY_SECONDS = 86400.0  # what is older was left behind by a process that was killed
# More would cost memory, and one process has to read the text for all of them.
MAX_WORKERS = 4
_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Encoded(Sequence[IntArray]):
    """The ids of each document, without boundaries.

    Args:
        ids: of all documents, (tokens,), any integers.
        ends: where each document's end, (documents,) int64.
        mapping: the file that ``ids`` is a view of, if it is one.
    """

    def __init__(
        self, ids: NDArray[np.integer], ends: NDArray[np.int64], mapping: mmap.mmap | None = None
    ) -> None:
        self._ids = ids
        self.ends = ends
        self._mapping = mapping

    @classmethod
    def join(cls, documents: Sequence[IntArray]) -> Encoded:
        """Documents that are in memory."""
        return cls(np.concatenate(documents), np.cumsum([len(each) for each in documents]))

    @property
    def tokens(self) -> int:
        """Number of ids."""
        return len(self._ids)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.ends)

    @overload
    def __getitem__(self, number: int) -> IntArray: ...
    @overload
    def __getitem__(self, number: slice) -> list[IntArray]: ...
    def __getitem__(self, number: int | slice) -> IntArray | list[IntArray]:
        """The ids of a document: (tokens,) int32."""
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        start = self.ends[number - 1] if number else 0
        return self.take(slice(start, self.ends[number]))

    def take(self, places: NDArray[np.int64] | slice) -> IntArray:
        """The ids at some places of the documents joined end to end: any shape, int32."""
        ids = self._ids[places].astype(np.int32)
        # What was touched stays in the system's cache of files, but counts as this process's memory
        # no longer: it would grow to the whole corpus.
        if self._mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)
        return ids


def is_large(corpus: Corpus) -> bool:
    """Whether a corpus is tokenized into a file."""
    return corpus.characters > documents.LARGE


def encode(corpus: Corpus, tokenizer: Tokenizer) -> Encoded:
    """The ids of a corpus; those of a large one are made once and then found in the cache.

    Raises:
        OutputError: there is no room in the cache folder, or it can't be written to.
        InputError: a file of the corpus was changed meanwhile.
        TrainingError: a process came to an unexpected end.
    """
    if not is_large(corpus):
        return Encoded.join([tokenizer.encode(document.text) for document in corpus.documents])
    path = _path(corpus, tokenizer)
    with contextlib.suppress(OutputError):
        return _map(path)
    try:
        require_folder(path)
        _tidy(path.parent)
        _write(path, corpus, tokenizer)
    except OutputError as error:
        raise OutputError(
            f"{error}; a corpus of this size is tokenized into a file there: make room for "
            f"{corpus.characters >> 20} MiB or more, or set XDG_CACHE_HOME to another folder"
        ) from error
    return _map(path)


def _path(corpus: Corpus, tokenizer: Tokenizer) -> Path:
    key = json.dumps([FORMAT, corpus.digest, tokenizer.to_json()])
    return cache_folder() / "tokens" / (hashlib.sha256(key.encode()).hexdigest() + SUFFIX)


def _map(path: Path) -> Encoded:
    """Raises OutputError where no whole file is."""
    try:
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, width, tokens, texts = TRAILER.unpack_from(mapping, len(mapping) - TRAILER.size)
        ends_at = _padded(width * tokens)
        if magic != MAGIC or len(mapping) != ends_at + 8 * texts + TRAILER.size:
            raise ValueError("not whole")
        ids = np.frombuffer(mapping, f"<u{width}", tokens)
        ends = np.frombuffer(mapping, "<i8", texts, ends_at).copy()
        os.utime(path)  # it was used
    except (OSError, ValueError, TypeError, struct.error) as error:
        raise OutputError(f"{path}: can't be read back: {error}") from error
    return Encoded(ids, ends, mapping)


def _write(path: Path, corpus: Corpus, tokenizer: Tokenizer) -> None:
    dtype = np.min_scalar_type(tokenizer.size - 1).newbyteorder("<")
    lengths = np.zeros(len(corpus.documents), np.int64)
    with output_stream(path) as stream, _Workers(tokenizer, dtype) as workers:
        for places, counts, ids in workers.encode(_tasks(corpus)):
            np.add.at(lengths, places, counts)
            stream.write(ids)
        tokens = int(lengths.sum())
        size = dtype.itemsize * tokens
        stream.write(bytes(_padded(size) - size))
        stream.write(np.cumsum(lengths).astype("<i8").tobytes())
        stream.write(TRAILER.pack(MAGIC, dtype.itemsize, tokens, len(lengths)))


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _tidy(folder: Path) -> None:
    """Remove what was not used for longest, and what was left behind."""
    with contextlib.suppress(OSError):  # another process may be at it
        whole = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: -path.stat().st_mtime)
        left = [path for path in folder.glob(".*.tmp") if _age_seconds(path) > TEMPORARY_SECONDS]
        for path in (*whole[FILES_KEPT - 1 :], *left):
            path.unlink(missing_ok=True)


def _age_seconds(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _tasks(corpus: Corpus) -> Iterator[tuple[list[int], list[str]]]:
    """Blocks of about as many characters, and for each text in one the number of its document."""
    places: list[int] = []
    texts: list[str] = []
    size = 0
    for place, document in enumerate(corpus.documents):
        for text in document.blocks():
            places.append(place)
            texts.append(text)
            size += len(text)
            if size >= documents.BLOCK // 2:
                yield places, texts
                places, texts, size = [], [], 0
    if texts:
        yield places, texts


class _Workers:
    """Processes that tokenize.

    They are started afresh, not forked: whatever the caller has loaded, they hold the tokenizer
    alone.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: np.dtype[np.unsignedinteger]) -> None:
        self._count = max(1, min(os.cpu_count() or 1, MAX_WORKERS))
        self._pool = ProcessPoolExecutor(
            self._count,
            multiprocessing.get_context("spawn"),
            initializer=_begin_work,
            initargs=(tokenizer, dtype),
        )
        # A signal to end, while they begin, would be told in a traceback of each.
        with _signals_held():
            for _ in range(self._count):
                self._pool.submit(os.getpid)

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def encode(
        self, tasks: Iterator[tuple[list[int], list[str]]]
    ) -> Iterator[tuple[list[int], list[int], bytes]]:
        """For each task in order: the documents' numbers, how many ids each text has, the ids."""
        waiting: deque[tuple[list[int], Future[tuple[list[int], bytes]]]] = deque()
        try:
            for places, texts in tasks:
                waiting.append((places, self._pool.submit(_work, texts)))
                if len(waiting) > 2 * self._count:  # read no further ahead
                    first, result = waiting.popleft()
                    yield first, *result.result()
            for rest, result in waiting:
                yield rest, *result.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process that tokenizes the corpus came to an unexpected end, perhaps for want "
                "of memory; close other programs and try again"
            ) from error


_worker: dict[str, tuple[Tokenizer, np.dtype[np.unsignedinteger]]] = {}


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals come when the block has ended; a process begun in it gets none until it says so."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    caught: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        # The mask is this thread's; another, of a library, may take the signal for it.
        handlers = {
            sign: signal.signal(sign, lambda number, _frame: caught.append(number))
            for sign in _ENDING
            if signal.getsignal(sign) != signal.SIG_IGN
        }
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for sign, handler in handlers.items():
            signal.signal(sign, handler)
        for number in caught[:1]:
            signal.raise_signal(number)


def _begin_work(tokenizer: Tokenizer, dtype: np.dtype[np.unsignedinteger]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked for the work ends it
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker["it"] = tokenizer, dtype


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(texts: list[str]) -> tuple[list[int], bytes]:
    tokenizer, dtype = _worker["it"]
    parts = [tokenizer.encode(text) for text in texts]
    return [len(part) for part in parts], np.concatenate(parts).astype(dtype).tobytes()
