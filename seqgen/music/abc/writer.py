"""Scores to canonical ABC: what the parser reads back as the same score.

``parse_tune(write_tune(tune)) == canonical(tune)`` for every tune that the parser accepts. The form
is the standard's strict one: X:, T:, … K:, every repeat opened, accidentals as the score has them,
lengths written out, line breaks where the score has them.
"""

from __future__ import annotations

from collections.abc import Iterable

from seqgen.music.abc.canonical import canonical, header_clef
from seqgen.music.abc.definitions import read_symbol
from seqgen.music.abc.fields import VoiceField, merge_voice, parse_voice
from seqgen.music.abc.formatting import format_clef, format_field, format_text
from seqgen.music.abc.notation import SHORTHANDS
from seqgen.music.abc.pieces import Piece, pieces
from seqgen.music.abc.voice_writer import VoiceWriter
from seqgen.music.score import PartMark, Tune, Voice

__all__ = ["write_tune", "write_tunes"]


def write_tunes(tunes: Iterable[Tune]) -> str:
    """Tunes as one ABC text, an empty line between each two."""
    return "\n".join(write_tune(tune) for tune in tunes)


def write_tune(tune: Tune) -> str:
    """A tune as canonical ABC, with a line end after its last line."""
    tune = canonical(tune)
    *fields, key = (format_field(each.name, each.value) for each in tune.fields)
    lines = [*fields, *(f"%%{each.text}" for each in tune.directives), key]
    symbols = _symbols(tune)
    writers = [VoiceWriter(tune.unit, tune.meter, voice.clef, symbols) for voice in tune.voices]
    if len(tune.voices) == 1:
        lines += [*_voice_line(tune.voices[0], tune), *writers[0].write(pieces(tune.voices[0]))]
    else:
        lines += _interleaved(tune, writers)
    in_header = sum(each.name == "W" for each in tune.fields)
    lines += ["W:" + format_text(words).replace("%", "\\%") for words in tune.words[in_header:]]
    return "\n".join(lines) + "\n"


def _symbols(tune: Tune) -> dict[str, str]:
    """The one-character marks that stand for decorations in this tune, by decoration."""
    meanings = dict(SHORTHANDS)
    for each in tune.fields:
        if each.name == "U":
            read_symbol(meanings, each.value)
    return {meaning: mark for mark, meaning in meanings.items()}


def _voice_line(voice: Voice, tune: Tune) -> list[str]:
    """The ``V:`` that begins a voice, with what the header does not say of it."""
    if not voice.id:
        return []
    said: VoiceField | None = None
    for each in tune.fields:
        if each.name == "V" and (field := parse_voice(each.value)).id == voice.id:
            said = merge_voice(said, field)
    words = [format_field("V", voice.id)]
    if voice.name != ((said.name or "") if said else ""):
        words.append(f'name="{voice.name}"')
    if voice.clef != ((said.clef if said else None) or header_clef(tune)):
        words.append(format_clef(voice.clef) or "octave=0")
    return [" ".join(words)]


def _interleaved(tune: Tune, writers: list[VoiceWriter]) -> list[str]:
    """Several voices, part by part: a ``P:`` holds for all voices that have begun (3.1.9)."""
    sections = [_sections(voice) for voice in tune.voices]
    count = max(len(each) for each in sections)
    labels = next(each for each in sections if len(each) == count)
    lines: list[str] = []
    begun: set[int] = set()
    for section in range(count):
        if section:
            lines.append(format_field("P", labels[section][0]))
        for index, (voice, own) in enumerate(zip(tune.voices, sections, strict=True)):
            at = section - (count - len(own))  # a voice that begins late lacks the first parts
            if at < 0 or not own[at][1]:
                continue
            again = [format_field("V", voice.id)]
            lines += again if index in begun else _voice_line(voice, tune)
            lines += writers[index].write(own[at][1])
            begun.add(index)
    return lines


def _sections(voice: Voice) -> list[tuple[str, list[Piece]]]:
    """A voice's pieces by the part they stand in; before the first mark its label is ``""``."""
    found: list[tuple[str, list[Piece]]] = [("", [])]
    for piece in pieces(voice):
        if isinstance(piece, PartMark):
            found.append((piece.label, []))
        else:
            found[-1][1].append(piece)
    return found
