"""A tune's text in other keys, everything but its pitches as it stands.

``seqgen.music.transpose`` moves a score, and a score is written out in one way. Here a text keeps
its transcriber's own: spacing, line breaks, how the key is spelled (``D Major``). Each key moves to
the key of fewest accidentals at the distance asked for, and every note by the same number of
letters, so that a note without an accidental needs none and an accidental stays one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from seqgen.music.abc.fields import parse_key
from seqgen.music.abc.formatting import format_pitch
from seqgen.music.abc.lexer import Context, Kind, lex
from seqgen.music.abc.notation import STEPS
from seqgen.music.abc.values import parse_note
from seqgen.music.score import Key, pitch
from seqgen.music.transpose import Interval, interval_between, transpose_chord_symbol

__all__ = ["Transposable"]

# What gives letters another meaning than their pitch, or holds pitches that are not looked into.
_OPAQUE = re.compile(
    r"^(?:[ms]:|%%\s*(?:MIDI\s+(?:channel\s+10|drum)|(?:perc)?map))|^V:.*(?:perc|transpose=)", re.M
)
_TONIC = re.compile(r"([A-G])([#b]?)(?![#b♯♭])")
_ALTERS = {"": 0, "#": 1, "b": -1}
_SIGNS = {alter: sign for sign, alter in _ALTERS.items()}


class Transposable:
    """One tune.

    Args:
        text: ABC, its first lines may be missing.

    Attributes:
        key: at its beginning.
    Raises:
        ValueError: it has no key, or holds what its letters alone do not tell how to move: pipes'
            keys, accidentals in a key, macros, percussion.
    """

    def __init__(self, text: str) -> None:
        if _OPAQUE.search(text):
            raise ValueError("not every letter is a pitch that moves")
        self._pieces: list[str] = []
        self._moving: list[tuple[int, Kind, Key | None]] = []
        keys: list[Key] = []
        field = ""
        for kind, piece, _ in lex(text, Context.HEADER):
            is_key = (kind is Kind.VALUE and field == "K:") or (
                kind is Kind.INLINE_FIELD and piece.startswith("[K:")
            )
            value = piece.removeprefix("[K:").removesuffix("]")
            if is_key and (key := _read_key(value)):
                self._moving.append((len(self._pieces), Kind.VALUE, key))
                keys.append(key)
            elif kind in (Kind.PITCH, Kind.CHORD_SYMBOL):
                if not keys:
                    raise ValueError("there is music before any key")
                self._moving.append((len(self._pieces), kind, None))
            field = piece if kind is Kind.FIELD else "" if kind is Kind.NEWLINE else field
            self._pieces.append(piece)
        if not keys:
            raise ValueError("there is no key")
        if len(keys) > 1 and re.search(r"^V:|\[V:", text, re.M):
            raise ValueError("its voices may have keys of their own")
        self.key = keys[0]

    def moved(self, semitones: int) -> str | None:
        """The text so much higher; None if a note would need more than two accidentals."""
        if semitones == 0:
            return "".join(self._pieces)
        pieces = self._pieces.copy()
        interval = Interval(0, 0)
        for at, kind, key in self._moving:
            if key is not None:
                interval = interval_between(key, semitones)
                pieces[at] = _move_key(pieces[at], interval)
            elif kind is Kind.PITCH:
                note = _note(pieces[at], interval)
                if note is None:
                    return None
                pieces[at] = note
            else:
                pieces[at] = f'"{transpose_chord_symbol(pieces[at][1:-1], interval)}"'
        return "".join(pieces)


def _read_key(value: str) -> Key | None:
    """The key that a field gives; None if it only gives a clef."""
    key, clef, _ = parse_key(value)
    if clef is not None and (clef.name == "perc" or clef.transpose):
        raise ValueError("the clef decides what sounds")
    if key is not None and (key.explicit or key.replaces or not _TONIC.match(value.strip())):
        raise ValueError("the key has no tonic, or accidentals of its own")
    return key


@lru_cache(maxsize=1024)
def _move_key(text: str, interval: Interval) -> str:
    """A key's text with another tonic: ``D Major`` or ``[K:Ador]``."""
    found = _TONIC.search(text)
    assert found is not None  # it has been read as a key
    moved = interval.above(pitch(found[1], _ALTERS[found[2]], 4))
    return text[: found.start()] + moved.step + _SIGNS[moved.alter] + text[found.end() :]


@lru_cache(maxsize=1 << 14)
def _note(text: str, interval: Interval) -> str | None:
    step, accidental, octave, _ = parse_note(text)
    above, letter = divmod(7 * octave + STEPS.index(step) + interval.steps, 7)
    if accidental is None:  # what sounds is the key's business
        return format_pitch(STEPS[letter], None, above)
    sounding = pitch(step, accidental, octave).midi + interval.semitones
    alter = sounding - pitch(STEPS[letter], 0, above).midi
    return format_pitch(STEPS[letter], alter, above) if -2 <= alter <= 2 else None
