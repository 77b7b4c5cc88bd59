"""MusicXML and **kern to scores, read by music21 (imported when called: it takes half a second).

The score is written as ABC and read back before it is returned, so that a tune from elsewhere obeys
the same rules as one from ABC.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from seqgen.errors import InputError
from seqgen.files import decode_text
from seqgen.music.abc.fields import default_unit
from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.accidentals import with_accidentals
from seqgen.music.music21_bars import PartReader
from seqgen.music.music21_signs import read_key, read_meter
from seqgen.music.score import Field, Key, Meter, Tempo, TempoChange, Tune

if TYPE_CHECKING:
    from music21.stream import Score

__all__ = [
    "MAX_BYTES",
    "MAX_CONTAINER_BYTES",
    "MAX_MEMBERS",
    "read_kern",
    "read_musicxml",
    "read_mxl",
]

MAX_BYTES = 16 << 20
"""Of a file, unpacked; music21 needs some two hundred times as much memory."""

MAX_MEMBERS = 1000
"""Files in an archive; a score comes with its pictures and sounds."""
MAX_CONTAINER_BYTES = 1 << 16
"""Of the file that names an archive's score."""

# music21 takes seconds for a metre of a thousand beats, and for ever for a key of 10^20 flats. In
# XML what spells such a number must be plain, of two digits and perhaps a fraction.
_XML_NUMBERS = re.compile(
    r"<(beats|fifths|cancel|octave|alter|octave-change|chromatic|diatonic|key-alter)\b"
    r"(?!(?:\s[^<>]*)?(?:/>|>(?![^<.]*\d{3})[^<&]*</\1\s*>))"
)
_KERN_NUMBERS = re.compile(r"\*M\d{3}")

_CONTAINER = "META-INF/container.xml"
_MEMBER = b"PK\x01\x02"  # begins each entry of an archive's table of contents


def read_musicxml(data: bytes, *, path: str | PathLike[str] | None = None) -> list[Tune]:
    """The score of a MusicXML file, as a tune with a voice a part.

    Raises:
        InputError: it is too large, no MusicXML, or holds no notes.
    """
    text = _xml_text(data, path)
    return [_read(text, "musicxml", "MusicXML", path)]


def read_mxl(data: bytes, *, path: str | PathLike[str] | None = None) -> list[Tune]:
    """The score of a compressed MusicXML file; see read_musicxml."""
    _check_size(data, MAX_BYTES, path)
    if data.count(_MEMBER) > MAX_MEMBERS:  # before a table of contents is made of them
        raise InputError(f"is an archive of more than {MAX_MEMBERS:,} files", path=path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = _member(archive, _CONTAINER, MAX_CONTAINER_BYTES, path)
            container = ElementTree.fromstring(contents)
            found = (each.get("full-path") for each in container.iter())
            names = [name for name in found if name]
            if not names:
                raise InputError("is no compressed MusicXML: it names no score", path=path)
            score = _member(archive, names[0], MAX_BYTES, path)
    except (zipfile.BadZipFile, LookupError, ElementTree.ParseError, OSError, EOFError,
            NotImplementedError, RuntimeError, ValueError, zlib.error) as error:  # fmt: skip
        raise InputError("is no compressed MusicXML file, or is damaged", path=path) from error
    return read_musicxml(score, path=path)


def _member(
    archive: zipfile.ZipFile, name: str, max_bytes: int, path: str | PathLike[str] | None
) -> bytes:
    with archive.open(name) as member:
        data = member.read(max_bytes + 1)  # whatever size it says it has
    _check_size(data, max_bytes, path)
    return data


def _check_size(data: bytes, max_bytes: int, path: str | PathLike[str] | None) -> None:
    if len(data) > max_bytes:
        limit = f"{max_bytes >> 20} MiB" if max_bytes >= 1 << 20 else f"{max_bytes >> 10} KiB"
        raise InputError(f"holds more than {limit}; split it", path=path)


def read_kern(
    data: bytes, *, path: str | PathLike[str] | None = None, encoding: str = "utf-8"
) -> list[Tune]:
    """The score of a Humdrum **kern file; see read_musicxml."""
    _check_size(data, MAX_BYTES, path)
    text = decode_text(data, path=path, encoding=encoding)
    if "**kern" not in text:
        raise InputError("is no **kern file: no column begins with **kern", path=path)
    _check_numbers(text, _KERN_NUMBERS, path)
    return [_read(text, "humdrum", "**kern", path)]


def _xml_text(data: bytes, path: str | PathLike[str] | None) -> str:
    _check_size(data, MAX_BYTES, path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = decode_text(data, path=path, encoding="utf-16")
    elif b"encoding='ISO-8859-1'" in data[:200] or b'encoding="ISO-8859-1"' in data[:200]:
        text = decode_text(data, path=path, encoding="latin-1")
    else:
        text = decode_text(data, path=path)
    if "<!ENTITY" in text:
        raise InputError("defines entities, which no score needs; remove them", path=path)
    if "<score-partwise" not in text and "<score-timewise" not in text:
        raise InputError("is no MusicXML: it holds no <score-partwise>", path=path)
    _check_numbers(text, _XML_NUMBERS, path)
    return text


def _check_numbers(text: str, wrong: re.Pattern[str], path: str | PathLike[str] | None) -> None:
    found = wrong.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(
            "this is no number of beats, sharps or octaves up to 99", path=path, line=line
        )


def _read(text: str, form: str, name: str, path: str | PathLike[str] | None) -> Tune:
    from music21 import converter

    try:
        # music21 warns of what it mends itself, in two ways, one of which quotes the file.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            score = converter.parseData(text, format=form, forceSource=True)
            tune = _tune(score)
            notation = write_tune(tune)
    except InputError:
        raise
    except Exception as error:  # music21 leaks whatever its readers meet
        reason = " ".join(f"{error}".split())[:200] or type(error).__name__
        raise InputError(f"can't be read as {name}: {reason}", path=path) from error
    if not any(bar.events for voice in tune.voices for bar in voice.bars):
        raise InputError("holds no notes", path=path)
    return parse_tune(notation, path=path)


def _tune(score: Score) -> Tune:
    parts = list(score.parts) or [score]
    first = parts[0]
    key = _first(first, "KeySignature", read_key, Key())
    meter = _first(first, "TimeSignature", read_meter, Meter())
    readers = [
        PartReader(part, f"{number}" if len(parts) > 1 else "", key, meter)
        for number, part in enumerate(parts, 1)
    ]
    voices = tuple(with_accidentals(reader.voice(), key, ()) for reader in readers)
    data = score.metadata
    titles = _texts(data, "title", "movementName", "alternativeTitle")
    composers = _texts(data, "composer")
    tempo = _header_tempo(readers[0])
    unit = default_unit(meter)
    return Tune(
        "1", titles, key, meter, unit, tempo, "", voices,
        tuple(Field("C", text.replace("%", "\\%")) for text in composers),
    )  # fmt: skip


def _header_tempo(reader: PartReader) -> Tempo | None:
    """A tempo before the first note belongs to the header."""
    return reader.first_tempo.tempo if isinstance(reader.first_tempo, TempoChange) else None


def _texts(data: Any, *names: str) -> tuple[str, ...]:
    found = dict.fromkeys(
        " ".join(f"{text}".split())
        for name in names
        if data is not None and (text := getattr(data, name, None))
    )
    return tuple(text for text in found if text)


def _first(part: Any, kind: str, read: Callable[[Any], Any], default: Any) -> Any:
    """The part's first object of a kind, if it stands before its first note."""
    for each in part.recurse().getElementsByClass([kind, "GeneralNote"]):
        return read(each) if kind in each.classes else default
    return default
