"""Large corpora in files of the cache: the same ids, made once, whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seqgen import files
from seqgen.corpus import documents
from seqgen.corpus.documents import Corpus, Document
from seqgen.errors import OutputError, TrainingError
from seqgen.tokenization import Scheme, Tokenizer, encoded
from seqgen.tokenization.encoded import Encoded, encode
from tests.support import TUNES

TEXTS = [
    "It's the first of them,\nnot the last.\n\n\n  And so on, and so on, and so on\n" * 6,
    "Naïve café 東京\r\n" * 9,
    "no line end " * 20,
]


def corpus_of(*texts: str) -> Corpus:
    return Corpus("some", "text", tuple(Document(text, "some", len(text)) for text in texts))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and blocks so small that any corpus is large."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(documents, "LARGE", 10)
    monkeypatch.setattr(documents, "BLOCK", 100)
    return files.cache_folder() / "tokens"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def ids_of(encoding: Encoded) -> list[list[int]]:
    assert all(document.dtype == np.int32 for document in encoding)
    joined = encoding.take(np.arange(encoding.tokens)).tolist()
    assert joined == [token for document in encoding for token in document.tolist()]
    assert (encoding[-1] == encoding[len(encoding) - 1 :][0]).all()
    return [document.tolist() for document in encoding]


@pytest.mark.parametrize("scheme", ["char", "abc", "bpe"])
def test_a_large_corpus_has_the_ids_of_a_small_one(scheme: Scheme, cache: Path) -> None:
    texts = TUNES.split("\n\n") if scheme == "abc" else TEXTS
    # What it has not learnt is spelled, in several ids.
    tokenizer = Tokenizer.learn(scheme, [texts[0]] * 5)
    encoding = encode(corpus_of(*texts), tokenizer)
    assert ids_of(encoding) == [tokenizer.encode(text).tolist() for text in texts]
    (name,) = names(cache)
    assert name.endswith(".ids")


def test_it_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_of(*TEXTS)
    tokenizer = Tokenizer.learn("char", TEXTS)
    first = encode(corpus, tokenizer)
    made = []
    monkeypatch.setattr(encoded, "_write", lambda *_: made.append(1))
    assert ids_of(encode(corpus_of(*TEXTS), tokenizer)) == ids_of(first)
    assert not made
    # Another text, another division of it, another vocabulary, another version: other files.
    others = [
        (corpus_of(TEXTS[0]), tokenizer, 1),
        (corpus_of(TEXTS[0] + TEXTS[1], TEXTS[2]), tokenizer, 1),
        (corpus, Tokenizer.learn("char", [*TEXTS, "$"]), 1),
        (corpus, tokenizer, 2),
    ]
    for other, vocabulary, version in others:
        monkeypatch.setattr(encoded, "FORMAT", version)
        with pytest.raises(OutputError, match="can't be read back"):
            encode(other, vocabulary)
    assert len(made) == len(others)


@pytest.mark.parametrize(("characters", "width"), [(200, 1), (239, 1), (240, 2), (300, 2)])
def test_ids_take_as_few_bytes_as_they_can(characters: int, width: int, cache: Path) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + characters)))
    tokenizer = Tokenizer.learn("char", [text])
    encoding = encode(corpus_of(text), tokenizer)
    assert ids_of(encoding) == [list(range(17, 17 + characters))]
    (name,) = names(cache)
    padded = -(-width * characters // 8) * 8
    assert (cache / name).stat().st_size == padded + 8 + encoded.TRAILER.size


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_file_that_is_not_whole_is_made_again(damage: bytes | None, cache: Path) -> None:
    corpus, tokenizer = corpus_of(*TEXTS), Tokenizer.learn("char", TEXTS)
    expected = ids_of(encode(corpus, tokenizer))
    (name,) = names(cache)
    whole = (cache / name).read_bytes()
    (cache / name).write_bytes(whole[8:] if damage is None else damage)
    assert ids_of(encode(corpus, tokenizer)) == expected
    assert (cache / name).read_bytes() == whole


def test_two_processes_at_once_both_succeed(cache: Path) -> None:
    program = (
        "from seqgen.corpus import documents\n"
        "from seqgen.corpus.documents import Corpus, Document\n"
        "from seqgen.tokenization import Tokenizer\n"
        "from seqgen.tokenization.encoded import encode\n"
        "documents.LARGE = 10\n"
        "text = 'one and two and three\\n' * 100000\n"
        "corpus = Corpus('some', 'text', (Document(text, 'some', len(text)),))\n"
        "tokenizer = Tokenizer.learn('char', [text])\n"
        "print(encode(corpus, tokenizer).tokens)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=100)[0] for process in running] == ["2200000\n"] * 2
    assert [process.returncode for process in running] == [0, 0]
    (name,) = names(cache)
    assert name.endswith(".ids")


def test_no_room_is_said_and_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        OutputError, match=r"ids: can't be written: no space left .*make room for .*XDG_CACHE_HOME"
    ):
        encode(corpus_of(*TEXTS), Tokenizer.learn("char", TEXTS))
    assert names(cache) == []


def test_a_cache_folder_that_can_not_be_is_said(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file")
    with pytest.raises(OutputError, match=r"can't make this folder.*or set XDG_CACHE_HOME to"):
        encode(corpus_of(*TEXTS), Tokenizer.learn("char", TEXTS))


class Stranger(Tokenizer):
    """Says what its process is like instead of tokenizing."""

    def __init__(self, deadly: bool) -> None:
        super().__init__("char", "ab")
        self.deadly = deadly

    def encode(self, text: str) -> np.ndarray:
        if self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return np.array([ignores, "tensorflow" in sys.modules, os.getppid() % 251], np.int32)


def test_the_processes_hold_no_tensorflow_and_leave_ctrl_c_to_their_parent(cache: Path) -> None:
    encoding = encode(corpus_of("ab" * 30), Stranger(deadly=False))
    assert ids_of(encoding) == [[1, 0, os.getpid() % 251]]


def test_a_process_that_is_killed_is_said(cache: Path) -> None:
    with pytest.raises(TrainingError, match="unexpected end, perhaps for want of memory"):
        encode(corpus_of("ab" * 30), Stranger(deadly=True))
    assert names(cache) == []


def test_the_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import multiprocessing, os, time, numpy as np\n"
        "from concurrent.futures import wait\n"
        "from seqgen.tokenization import Tokenizer\n"
        "from seqgen.tokenization.encoded import _Workers\n"
        "workers = _Workers(Tokenizer('char', 'ab'), np.dtype('u1'))\n"
        "list(workers.encode(iter([([0], ['ab'])] * 8)))\n"
        "print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        parent.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_cache_keeps_what_was_used_last(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "FILES_KEPT", 2)
    tokenizer = Tokenizer.learn("char", TEXTS)
    corpora = [corpus_of(text) for text in TEXTS]
    made = []
    for age, corpus in enumerate(corpora[:2]):
        encode(corpus, tokenizer)
        (made_now,) = set(names(cache)) - set(made)
        made.append(made_now)
        os.utime(cache / made_now, (age, age))
    for name, age in ((".left.tmp", 0.0), (".at-work.tmp", time.time())):
        (cache / name).write_bytes(b"part")
        os.utime(cache / name, (age, age))
    encode(corpora[0], tokenizer)  # used again
    encode(corpora[2], tokenizer)
    left = set(names(cache))
    assert {made[0], ".at-work.tmp"} < left
    assert len(left) == 3
    assert made[1] not in left
