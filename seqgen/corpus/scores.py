"""Files of music that are not ABC: MIDI as events, MusicXML and **kern as ABC tunes."""

from __future__ import annotations

from seqgen.corpus.documents import Document
from seqgen.music.forms import READERS, form_of_content

__all__ = ["MIDI_SUFFIXES", "SCORE_SUFFIXES", "form_of", "read_midi", "read_score"]

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
SCORE_SUFFIXES = frozenset({".musicxml", ".mxl", ".krn"})
_HEAD_BYTES = 8192
# What a file of another name must hold near its beginning to be one of these.
_SIGNS = {".mid": b"MThd", ".musicxml": b"<score-", ".krn": b"**kern"}


def form_of(data: bytes, suffix: str) -> str | None:
    """The form of a file of music, as a suffix; None for ABC and any other text.

    Args:
        data: its contents.
        suffix: of its name in lower case; empty for standard input.
    """
    if suffix in MIDI_SUFFIXES | SCORE_SUFFIXES:
        return suffix
    head = data[:_HEAD_BYTES]
    form = form_of_content(head)
    if form == ".mxl":  # many kinds of file are zip archives
        return None if suffix else form
    return form if form in _SIGNS and _SIGNS[form] in head else None


def read_midi(data: bytes, source: str) -> Document | None:
    """A MIDI file as a document, None if it holds no notes.

    Raises:
        InputError: it is no MIDI file, damaged, or too long.
    """
    from seqgen.music.remi.reader import read

    text = read(data, path=source)
    return Document(text, source, text.count("\n") + 1) if text else None


def read_score(data: bytes, source: str, form: str, encoding: str) -> list[Document]:
    """The tunes of a score, in ABC notation; the encoding is that of **kern.

    Raises:
        InputError: it is not of that form, damaged, or holds no notes.
    """
    from seqgen.music.abc.writer import write_tune

    tunes = [parsed.tune for parsed in READERS[form](data, source, encoding)]
    texts = [write_tune(tune).rstrip() + "\n" for tune in tunes if tune is not None]
    return [Document(text, source, len(text) + 1) for text in texts]
