"""Transposition of a score by any interval, spelled as a musician would.

Each key of a tune moves to the key at that distance with the fewest accidentals, and with it every
note by the same number of letters, so that a written accidental stays one. Percussion stays.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from seqgen.errors import UsageError
from seqgen.music.abc.canonical import agreeing_fields
from seqgen.music.abc.fields import parse_key
from seqgen.music.abc.formatting import format_key
from seqgen.music.abc.notation import MODES, PITCH_CLASSES, SHARPS, STEPS
from seqgen.music.accidentals import with_accidentals
from seqgen.music.score import (
    PLAIN,
    Attached,
    Chord,
    Clef,
    Directive,
    Item,
    Key,
    KeyChange,
    Note,
    Pitch,
    Rest,
    Spacer,
    Tune,
    Voice,
    pitch,
)

__all__ = ["MAX_SEMITONES", "Interval", "interval_between", "transpose", "transpose_chord_symbol"]

MAX_SEMITONES = 60
"""Five octaves: further than any instrument's range."""

_PIPES = {"HP": ("D", "maj"), "Hp": ("D", "maj")}
_SYMBOL = re.compile(
    r"(?P<open>\(?)(?P<root>[A-G])(?P<sign>[#b♯♭]?)"
    r"(?P<kind>(?:maj|min|mi|ma|m|M|dim|aug|sus|add|alt|omit|no|\+|-|°|o|ø|Δ|[#b♯♭]?[0-9]+|[(),^])*)"
    r"(?:/(?P<bass>[A-Ga-g])(?P<bass_sign>[#b♯♭]?))?(?P<close>\)?)"
)
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}


class Interval(NamedTuple):
    """A distance upwards: ``steps`` letters and ``semitones``; a major third is (2, 4)."""

    steps: int
    semitones: int

    def above(self, note: Pitch) -> Pitch:
        """The pitch this far above; respelled if it would need more than two accidentals."""
        height = 7 * note.octave + STEPS.index(note.step) + self.steps
        sounding = note.midi + self.semitones
        while True:
            octave, step = divmod(height, 7)
            alter = sounding - 12 * (octave + 1) - PITCH_CLASSES[STEPS[step]]
            if -2 <= alter <= 2:
                return pitch(STEPS[step], alter, octave)
            height += 1 if alter > 0 else -1


def interval_between(key: Key, semitones: int) -> Interval:
    """The interval that takes ``key`` to the key of fewest accidentals at that distance.

    Six sharps and six flats are as many; sharps are chosen, as abc2abc does.
    """
    fifths = _fifths(key)
    turn = 7 * semitones % 12
    if turn:
        turn = min((turn - 12 * octaves for octaves in (2, 1, 0, -1)), key=lambda each: (
            abs(fifths + each), -fifths - each))  # fmt: skip
    octaves = (semitones - 7 * turn) // 12
    return Interval(4 * turn + 7 * octaves, semitones)


def _fifths(key: Key) -> int:
    """Sharps of the key's tonic and mode, whatever accidentals are added."""
    tonic, mode = _PIPES.get(key.tonic, (key.tonic, key.mode))
    if not tonic:
        return 0
    return SHARPS.index(tonic[0]) - 1 + 7 * _SIGNS[tonic[1:]] + MODES[mode]


def transpose(tune: Tune, semitones: int) -> Tune:
    """The tune ``semitones`` higher (lower if negative): notes, keys and chord symbols.

    Raises:
        UsageError: the interval is larger than five octaves.
    """
    if abs(semitones) > MAX_SEMITONES:
        raise UsageError(
            f"can't transpose by {semitones} semitones; choose at most {MAX_SEMITONES} up or down"
        )
    if semitones == 0:
        return tune
    key = _transpose_key(tune.key, semitones)
    percussion = any(_is_drums(each) for each in tune.directives)
    voices = tuple(
        with_accidentals(_Transposer(tune.key, voice.clef, semitones, percussion).voice(voice), key,
                         tune.directives)
        for voice in tune.voices
    )  # fmt: skip
    moved = replace(tune, key=key, voices=voices)
    return replace(moved, fields=agreeing_fields(moved))


def _transpose_key(key: Key, semitones: int) -> Key:
    interval = interval_between(key, semitones)

    def above(letter: str, alter: int) -> Pitch:
        return interval.above(pitch(letter, alter, 4))

    explicit = tuple((each.step, each.alter) for each in (above(*one) for one in key.explicit))
    tonic, mode = _PIPES.get(key.tonic, (key.tonic, key.mode))
    if tonic:
        moved = above(tonic[0], _SIGNS[tonic[1:]])
        tonic = moved.step + ("#" * moved.alter if moved.alter > 0 else "b" * -moved.alter)
    named = Key(tonic, mode, (), explicit, key.replaces)
    return parse_key(format_key(named, None))[0] or named


def _is_drums(directive: Directive) -> bool:
    return directive.text.split()[:3] == ["MIDI", "channel", "10"]


class _Transposer:
    """Moves one voice; its interval follows the key in force."""

    def __init__(self, key: Key, clef: Clef, semitones: int, percussion: bool) -> None:
        self._semitones = semitones
        self._interval = interval_between(key, semitones)
        self._percussion = percussion or clef.name == "perc"

    def voice(self, voice: Voice) -> Voice:
        bars = tuple(
            bar._replace(
                items=tuple([self._item(item) for item in bar.items]),
                overlays=tuple([
                    tuple([self._item(item) for item in layer]) for layer in bar.overlays
                ]),
            )
            for bar in voice.bars
        )  # fmt: skip
        return replace(voice, bars=bars)

    def _item(self, item: Item) -> Item:
        if isinstance(item, KeyChange) and item.key is not None:
            self._interval = interval_between(item.key, self._semitones)
            return replace(item, key=_transpose_key(item.key, self._semitones))
        if isinstance(item, Directive) and item.text.startswith("MIDI channel"):
            self._percussion = _is_drums(item)
        if self._percussion:
            return item
        if isinstance(item, Note):
            return self._note(item)._replace(attached=self._attached(item.attached))
        if isinstance(item, Chord):
            return self._chord(item)._replace(attached=self._attached(item.attached))
        if isinstance(item, Rest):
            return item._replace(attached=self._attached(item.attached))
        if isinstance(item, Spacer):
            return item._replace(attached=self._attached(item.attached))
        return item

    def _note(self, note: Note) -> Note:
        moved = self._interval.above(note.pitch)
        return note._replace(
            pitch=moved, accidental=None if note.accidental is None else moved.alter
        )

    def _chord(self, chord: Chord) -> Chord:
        return chord._replace(notes=tuple([self._note(note) for note in chord.notes]))

    def _attached(self, attached: Attached) -> Attached:
        if attached is PLAIN or not (attached.graces or attached.chord_symbols):
            return attached
        graces = attached.graces
        if graces is not None:
            notes = tuple(
                self._chord(each) if isinstance(each, Chord) else self._note(each)
                for each in graces.notes
            )
            graces = graces._replace(notes=notes)
        symbols = tuple(
            transpose_chord_symbol(each, self._interval) for each in attached.chord_symbols
        )
        return attached._replace(graces=graces, chord_symbols=symbols)


def transpose_chord_symbol(text: str, interval: Interval) -> str:
    """A chord symbol such as ``F#m7/C#`` moved; any other text comes back as it is."""
    match = _SYMBOL.fullmatch(text)
    if match is None:
        return text
    root = _name_above(match["root"], match["sign"], interval)
    bass = ""
    if match["bass"]:
        name = _name_above(match["bass"].upper(), match["bass_sign"], interval)
        bass = "/" + (name if match["bass"].isupper() else name[0].lower() + name[1:])
    return f"{match['open']}{root}{match['kind']}{bass}{match['close']}"


def _name_above(letter: str, sign: str, interval: Interval) -> str:
    """A note's name moved, with one accidental at most."""
    moved = interval.above(pitch(letter, _SIGNS[sign], 4))
    if abs(moved.alter) > 1:
        towards = 1 if moved.alter > 0 else -1
        moved = Interval(interval.steps + towards, interval.semitones).above(
            pitch(letter, _SIGNS[sign], 4)
        )
    return moved.step + {-1: "b", 0: "", 1: "#"}[moved.alter]
