"""The two values that the rest of seqgen learns from: a document and a corpus."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = ["UNITS", "Corpus", "Document", "Kind"]

Kind = Literal["abc", "text", "midi"]

UNITS: dict[Kind, str] = {"abc": "char", "text": "char", "midi": "event"}
"""What a model's loss is counted by, whatever its tokens."""


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
    documents: tuple[Document, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the documents' texts in order.

        Each text goes in as its length in bytes (64 bits, big-endian) and its UTF-8 bytes, so no
        two different sequences of texts feed the same bytes.
        """
        hasher = hashlib.sha256()
        for document in self.documents:
            data = document.text.encode("utf-8", "surrogatepass")
            hasher.update(len(data).to_bytes(8, "big"))
            hasher.update(data)
        return hasher.hexdigest()

    @cached_property
    def characters(self) -> int:
        """Characters of the original (or events) that the documents stand for together."""
        return sum(document.characters for document in self.documents)
