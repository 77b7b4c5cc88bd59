"""The forms a tune can be read from and written to, by file suffix.

A new form is one row in READERS or WRITERS and a function that imports what it needs when called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from seqgen.files import decode_text
from seqgen.music.abc.parser import ParsedTune, parse
from seqgen.music.midi import write as write_midi
from seqgen.music.performance import perform
from seqgen.music.score import Tune

__all__ = [
    "COLLECTIONS",
    "READERS",
    "TEXT_FORMS",
    "WRITERS",
    "Reader",
    "Sound",
    "Writer",
    "as_parsed",
    "form_of_content",
]


@dataclass(frozen=True, slots=True)
class Sound:
    """How a tune is played, for the forms that sound.

    Args:
        chords: whether chord symbols are accompanied; swing: see ``perform``.
        soundfont: whose instruments play it, where samples are made; None is our own string.
    """

    chords: bool = False
    swing: Fraction | None = None
    soundfont: str | None = None


Reader: TypeAlias = Callable[[bytes, str, str], Iterator[ParsedTune]]
"""Called with a file's bytes, its name and its text encoding; raises InputError."""

Writer: TypeAlias = Callable[[Tune, Sound], bytes]


def _read_abc(data: bytes, path: str, encoding: str) -> Iterator[ParsedTune]:
    return parse(decode_text(data, path=path, encoding=encoding))


def _write_midi(tune: Tune, sound: Sound) -> bytes:
    return write_midi(perform(tune, chords=sound.chords, swing=sound.swing))


def _read_midi(data: bytes, path: str, _encoding: str) -> Iterator[ParsedTune]:
    from seqgen.music.melody import read_melody

    return as_parsed(read_melody(data, path=path))


def _read_musicxml(data: bytes, path: str, _encoding: str) -> Iterator[ParsedTune]:
    from seqgen.music.music21_reader import read_musicxml

    return as_parsed(read_musicxml(data, path=path))


def _read_mxl(data: bytes, path: str, _encoding: str) -> Iterator[ParsedTune]:
    from seqgen.music.music21_reader import read_mxl

    return as_parsed(read_mxl(data, path=path))


def _read_kern(data: bytes, path: str, encoding: str) -> Iterator[ParsedTune]:
    from seqgen.music.music21_reader import read_kern

    return as_parsed(read_kern(data, path=path, encoding=encoding))


def _write_abc(tune: Tune, _sound: Sound) -> bytes:
    from seqgen.music.abc.writer import write_tune

    return write_tune(tune).encode()


def _write_musicxml(tune: Tune, _sound: Sound) -> bytes:
    from seqgen.music.musicxml.writer import write_musicxml

    return write_musicxml(tune)


def _write_mxl(tune: Tune, _sound: Sound) -> bytes:
    from seqgen.music.musicxml.writer import write_mxl

    return write_mxl(tune)


def _write_svg(tune: Tune, _sound: Sound) -> bytes:
    from seqgen.music.engraving import write_svg

    return write_svg(tune)


def _write_png(tune: Tune, _sound: Sound) -> bytes:
    from seqgen.music.engraving import write_png

    return write_png(tune)


def _write_wav(tune: Tune, sound: Sound) -> bytes:
    from seqgen.music.audio import write_wav

    performance = perform(tune, chords=sound.chords, swing=sound.swing)
    return write_wav(performance, soundfont=sound.soundfont)


READERS: dict[str, Reader] = {
    ".abc": _read_abc,
    ".txt": _read_abc,
    ".mid": _read_midi,
    ".midi": _read_midi,
    ".musicxml": _read_musicxml,
    ".xml": _read_musicxml,
    ".mxl": _read_mxl,
    ".krn": _read_kern,
}
WRITERS: dict[str, Writer] = {
    ".abc": _write_abc,
    ".mid": _write_midi,
    ".midi": _write_midi,
    ".musicxml": _write_musicxml,
    ".xml": _write_musicxml,
    ".mxl": _write_mxl,
    ".svg": _write_svg,
    ".png": _write_png,
    ".wav": _write_wav,
}
COLLECTIONS = frozenset({".abc"})
"""Forms of which one file holds any number of tunes, parted by an empty line."""
TEXT_FORMS = frozenset({".abc", ".musicxml", ".xml", ".svg"})
"""Forms that a terminal may be shown."""


def as_parsed(tunes: Iterable[Tune]) -> Iterator[ParsedTune]:
    """Tunes of a form without diagnostics, as readers give them."""
    for tune in tunes:
        yield ParsedTune(tune.number, tune.titles[0] if tune.titles else "", 1, tune, ())


def form_of_content(data: bytes) -> str:
    """The suffix for bytes that came without a name."""
    if data.startswith(b"MThd"):
        return ".mid"
    if data.startswith(b"PK\x03\x04"):
        return ".mxl"
    if data.lstrip().startswith((b"<?xml", b"<score-", b"<!DOCTYPE score-")):
        return ".musicxml"
    return ".krn" if data.lstrip().startswith((b"**kern", b"!!!")) else ".abc"
