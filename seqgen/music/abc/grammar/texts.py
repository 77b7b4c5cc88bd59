"""Chord symbols, annotations, decorations, comments and fields, character by character."""

from __future__ import annotations

import re

from seqgen.music.abc.grammar import header
from seqgen.music.abc.grammar.bars import BarRules, accompanied
from seqgen.music.abc.grammar.field_values import (
    METERS,
    UNITS,
    completion,
    goes_on,
    read_setting,
    value_of,
)
from seqgen.music.abc.grammar.lexemes import Lexemes
from seqgen.music.abc.grammar.notes import Notes
from seqgen.music.abc.grammar.state import Music
from seqgen.music.abc.notation import DECORATIONS

__all__ = ["CHORD_TYPES", "DECORATION_NAMES", "TextRules"]

DECORATION_NAMES = frozenset(name for name in DECORATIONS if re.fullmatch(r"[A-Za-z0-9.]+", name))
# Those that abc2midi knows, on chords too, without a change of length.
PLAIN_DECORATIONS = frozenset({
    "accent", "arpeggio", "f", "ff", "fff", "mf", "mordent", "mp", "p", "ped", "pp",
    "ppp", "sfz", "turn", "wedge",
})  # fmt: skip
CHORD_TYPES = (
    "m", "min", "7", "m7", "maj7", "M7", "6", "m6", "aug", "+", "aug7", "dim", "dim7", "9",
    "m9", "maj9", "M9", "11", "sus", "sus4", "sus9", "7sus4", "7sus9", "5",
)  # fmt: skip
_UNKNOWN_TYPES = ("min",)  # to abc2midi, so they are not drawn
_PLACINGS = frozenset("^_<>@")
_LONGEST_ANNOTATION = 24


class TextRules(Lexemes):
    """The rules of what is written by the music (ABC 2.1, sections 4.14, 4.18, 4.19 and 3.2)."""

    def __init__(
        self,
        notes: Notes,
        bars: BarRules,
        fixed: frozenset[str],
        alphabet: frozenset[str] | None,
        plain: bool,
    ) -> None:
        super().__init__(notes, bars, fixed, alphabet, plain)
        self._decorations = frozenset(
            filter(self._has, PLAIN_DECORATIONS if plain else DECORATION_NAMES)
        )
        self._decoration_starts = frozenset(
            name[:end] for name in self._decorations for end in range(1, len(name) + 1)
        )
        unknown = _UNKNOWN_TYPES if plain else ()
        types = [each for each in CHORD_TYPES if self._has(each) and each not in unknown]
        self.quoted, self._quoted_start = _quoted(types, plain=plain)

    # -- in quotes and exclamation marks

    def _quote(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character == '"':
            if text[:1] in _PLACINGS and text:
                return self._marked(music._replace(place="gap", text=""))
            if not self.quoted.fullmatch(text):
                # "Treat chord symbols quite liberally" (4.18): words in quotes are common.
                return None if self._plain else music._replace(place="gap", text="")
            # One at a bar's end has no note to wait for.
            return music._replace(place="gap", text="", waiting=self._room(music), symbols=True)
        if not header.is_text(character) or character == "\\":
            return None
        if text[:1] in _PLACINGS and text:
            if not self._plain:
                return music
            # Only the number of its characters matters. A comma in it is beyond music21.
            short = len(text) < _LONGEST_ANNOTATION and (character.isalnum() or character in " .'")
            return music._replace(text=text + ".") if short else None
        if not text and character in _PLACINGS:
            return music._replace(text=character)
        text += character
        if not self._plain:
            return music._replace(text=text if self._quoted_start.fullmatch(text) else "?")
        unit = music.setting.unit
        if not self._room(music) or music.pickup % unit or music.spent % unit:
            return None  # one stands before its note, and on the beat
        if music.fermata or not accompanied(music.setting, music.pickup):
            return None
        return music._replace(text=text) if self._quoted_start.fullmatch(text) else None

    def _bang(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character in " \n" and not (text or music.field) and self._may_end_line(music):
            # The old mark of a line's end, which stands last on its line.
            return self._line_end(music._replace(place="line end"), character)
        if character == "!":
            if text in self._decorations:
                marked = music._replace(place="gap", text="", field="")
                return self._marked(marked._replace(fermata=True) if text == "fermata" else marked)
            return None
        if self._plain and (music.tied or not self.bars.may_begin(music)):
            return None
        text += character
        return music._replace(text=text) if text in self._decoration_starts else None

    def _marked(self, music: Music) -> Music:
        """The place after a mark; what is drawn does not end with one, which would mark nothing."""
        return music._replace(after=min(music.after, 1), closed=music.closed and not self._plain)

    # -- ends of lines and comments

    def _line_end(self, music: Music, character: str) -> Music | None:
        if character == " ":
            return music
        return self._end_line(music) if character == "\n" else None

    def _backslash(self, music: Music, character: str) -> Music | None:
        return music._replace(place="continued", written=0) if character == "\n" else None

    def _percent(self, music: Music, character: str) -> Music | None:
        # A directive has a line of its own.
        if character == "%" and music.field != "%":
            return None
        return self._comment(music._replace(place="comment", field=""), character)

    def _comment(self, music: Music, character: str) -> Music | None:
        if character == "\n":
            return self._end_line(music)
        return music if header.is_text(character) else None

    # -- fields

    def _begin_field(self, music: Music) -> Music | None:
        if music.field in self._fixed or self._open(music._replace(inside="")) or music.tied:
            return None
        if not self.bars.may_begin(music) or music.slurs:
            return None
        if self._plain and not music.sounded and music.field != "P":
            return None  # its place is the header
        if music.field == "M" and (music.spent or music.owed or music.bars >= 0):
            return None  # nor where bars are counted
        return None if music.field == "P" and not music.line and self._plain else music

    def _colon(self, music: Music, character: str) -> Music | None:
        return music._replace(place="value", text="") if character == ":" else None

    def _value(self, music: Music, character: str) -> Music | None:
        field, text = music.field, music.text
        if character == ("]" if music.inside else "\n"):
            within = self._plain and text.endswith(" ") and field != "P"
            if within and completion(field, "", text, self._alphabet):
                return None
            done = self._set(music, text.rstrip(" "))
            if done is None:
                return None
            return done._replace(
                place="gap" if music.inside else "line", text="", field="", inside="", closed=False
            )
        if character == " " and not text:
            return music
        if character == " " and self._plain and not self._goes_on(field, text):
            return None
        text += character
        if field == "P":
            return music._replace(text=text) if re.fullmatch(r"[A-Z] *", text) else None
        value = value_of(field, "")
        if not value.accepts(text) or completion(field, "", text, self._alphabet) is None:
            return None
        if self._plain and field in "LM" and not self._fits(music, text):
            return None
        return music._replace(text=text)

    def _fits(self, music: Music, begun: str) -> bool:
        """Whether a metre or unit note length that begins so leaves notes that fill a bar."""
        return any(
            value.startswith(begun.rstrip(" ")) and self._set(music, value) is not None
            for value in (UNITS if music.field == "L" else METERS)
        )

    def _goes_on(self, field: str, text: str) -> bool:
        return field != "P" and goes_on(field, "", text, self._alphabet)

    def _set(self, music: Music, value: str) -> Music | None:
        """Apply a field whose value is complete."""
        field, setting = music.field, music.setting
        if field == "P":
            return music if value else None
        if not value_of(field, "").is_whole(value):
            return None
        if field == "K":
            key = read_setting("", "", value).key
            return music._replace(setting=setting._replace(key=key), alters=())
        if field == "M":
            read = read_setting(value, "", "none")
            setting = setting._replace(full=read.full, compound=read.compound)
            music = music._replace(setting=setting, pickup=0)
        elif field == "L":
            setting = setting._replace(unit=read_setting("", value, "none").unit)
            music = music._replace(setting=setting)
        if setting.full and self.notes.lengths(setting).fill(self.notes.room(music)) is None:
            return None
        return music


def _quoted(types: list[str], *, plain: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand in quotes, and how it may begin.

    A chord symbol; or one digit or two, the fingering that old fiddle collections write so. Other
    programs take that for a faulty chord symbol, so it is not drawn.
    """
    fingering = "(?!)" if plain else "[0-9]{1,2}"
    whole = "|".join(map(re.escape, types))
    beginnings = {each[:end] for each in types for end in range(1, len(each) + 1)}
    partial = "|".join(map(re.escape, sorted(beginnings)))
    return (
        re.compile(rf"[A-G][#b]?(?:{whole})?(?:/[A-G][#b]?)?|{fingering}"),
        re.compile(
            rf"|[A-G][#b]?(?:{partial})?|[A-G][#b]?(?:{whole})?/(?:[A-G][#b]?)?|{fingering}"
        ),
    )
