"""The two values that the rest of seqgen learns from: a document and a corpus.

A large text stays in its file: a :class:`FileDocument` is read again whenever it is needed, block
by block, so that what it takes to learn from a text does not grow with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from seqgen.config import UNITS, Kind
from seqgen.errors import InputError
from seqgen.files import stream_text

__all__ = ["LARGE", "UNITS", "Corpus", "Document", "FileDocument", "Kind", "blocks"]

LARGE = 1 << 24
"""Files larger than this together (in bytes), if they hold text, stay where they are; a corpus of
more characters is tokenized into a file."""

BLOCK = 1 << 20
"""Characters of a text that are looked at together, at most."""


@dataclass(frozen=True, slots=True)
class Document:
    """One tune, text file or MIDI file: the stretch within which context may reach.

    Attributes:
        text: for ABC one tune from its ``X:`` line on, line ends ``\\n``, ending in exactly one;
            for text the whole file as decoded; for MIDI its events, one a line (see
            :mod:`seqgen.music.remi`).
        source: the file as the user named it, or ``"ryans-mammoth/AcaciaReel.abc"`` for a
            catalogued one.
        characters: how many characters of the original it stands for. For ABC that is
            ``len(text) + 1``: the blank line after a tune counts, because a model pays for it with
            its end-of-document token. For text it is ``len(text)``. MIDI has no characters: it is
            how many events, the end of the piece counted as one.
    """

    text: str
    source: str
    characters: int

    def blocks(self) -> Iterator[str]:
        """The text, divided as blocks() below says."""
        pieces = (self.text[i : i + BLOCK] for i in range(0, len(self.text), BLOCK))
        return blocks(pieces, BLOCK)

    def part(self, start: int, stop: int) -> Document:
        """The characters from ``start`` to ``stop`` of a text."""
        text = self.text[start:stop]
        return replace(self, text=text, characters=len(text))


@dataclass(frozen=True, slots=True)
class FileDocument:
    """A stretch of a text file.

    Attributes:
        path, encoding: of the file.
        source: as of a Document.
        start: characters of the file before it.
        characters: its length.
        version: what of the file's status says that it is still the same: size and time.
    """

    path: Path
    encoding: str
    source: str
    start: int
    characters: int
    version: tuple[int, int]

    @classmethod
    def open(cls, path: Path, source: str, encoding: str) -> FileDocument | None:
        """A whole text file, read once to know that it can be; None if it is white space alone.

        Raises:
            InputError: see seqgen.files.stream_text.
        """
        version = _version(path)
        characters, blank = 0, True
        for piece in stream_text(path, encoding=encoding):
            characters += len(piece)
            blank = blank and piece.isspace()
        document = cls(path, encoding, source, 0, characters, version)
        document._require_same()
        return None if blank else document

    @property
    def text(self) -> str:
        """All of it, in memory."""
        return "".join(self._pieces())

    def blocks(self) -> Iterator[str]:
        """The text, divided as blocks() below says.

        Raises:
            InputError: the file is no longer what it was.
        """
        return blocks(self._pieces(), BLOCK)

    def part(self, start: int, stop: int) -> FileDocument:
        """The characters from ``start`` to ``stop``."""
        return replace(self, start=self.start + start, characters=stop - start)

    def _pieces(self) -> Iterator[str]:
        self._require_same()
        before, left = self.start, self.characters
        for piece in stream_text(self.path, encoding=self.encoding):
            wanted = piece[before : before + left]
            before = max(0, before - len(piece))
            left -= len(wanted)
            if wanted:
                yield wanted
            if not left:
                break
        self._require_same()

    def _require_same(self) -> None:
        if _version(self.path) != self.version:
            raise InputError(
                "changed while it was being read; begin again when it is complete",
                path=self.source,
            )


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # whoever reads it says why
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def blocks(pieces: Iterable[str], size: int) -> Iterator[str]:
    """A text in blocks of at most ``size`` characters; each but the last ends, if it can, with a
    line.

    More exactly, with all of the line ends that follow each other: no token of characters or byte
    pairs reaches over such a place, nor hangs on what stands beyond it, so that the blocks' tokens
    are the text's.
    """
    held = ""
    for piece in pieces:
        held += piece
        while len(held) > size:
            inside = len(held[: size + 1].rstrip("\n"))
            cut = held.rfind("\n", 0, inside) + 1 or size
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


@dataclass(frozen=True)
class Corpus:
    """Documents of one kind, in a fixed order.

    Attributes:
        name: a name for a model trained on it: the stem of the only file, the folder's name, the
            catalogue's name, ``"stdin"``, or ``"corpus"`` for several sources.
        kind: ``"abc"``, ``"text"`` or ``"midi"``.
        documents: at least one.
    """

    name: str
    kind: Kind
    documents: tuple[Document | FileDocument, ...]

    def blocks(self) -> Iterator[str]:
        """The texts one after the other, long ones in parts, none of them empty."""
        for document in self.documents:
            yield from document.blocks()

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the documents' texts in order.

        Each text goes in as its length in bytes (64 bits, big-endian) and its UTF-8 bytes, so no
        two different sequences of texts feed the same bytes.
        """
        hasher = hashlib.sha256()
        for document in self.documents:
            size = sum(len(data) for data in map(_utf8, document.blocks()))
            hasher.update(size.to_bytes(8, "big"))
            for data in map(_utf8, document.blocks()):
                hasher.update(data)
        return hasher.hexdigest()

    @cached_property
    def characters(self) -> int:
        """Characters of the original (or events) that the documents stand for together."""
        return sum(document.characters for document in self.documents)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
