"""The music: lexemes character by character, and what each may follow (ABC 2.1, section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from seqgen.music.abc.grammar import header
from seqgen.music.abc.grammar.bars import EXTENSIONS, INVISIBLE, BarRules, accompanied
from seqgen.music.abc.grammar.notes import MAX_CHORD, Notes, fill_tuplet, unmet
from seqgen.music.abc.grammar.state import Music, Spelling, Tuplet
from seqgen.music.abc.notation import DECORATIONS, SHORTHANDS
from seqgen.music.abc.values import parse_note, parse_tuplet

__all__ = ["MusicRules", "spelling"]

_NOTES = frozenset("ABCDEFGabcdefg")
_ACCIDENTALS = frozenset("^_=")
_DIGITS = frozenset("0123456789")
_BAR_MARKS = frozenset("|:")
_LINE_FIELDS = frozenset("KLMPQ")
_INLINE_FIELDS = frozenset("KLMPQ")
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
_MAX_SLURS = 4
_LONGEST_ANNOTATION = 24


class MusicRules:
    """The rules of the music.

    Args:
        notes: the rules of events; bars: those of bar lines.
        fixed: fields that may not change, since their values were asked for.
        alphabet: the characters that lexemes are finished with; None for all.
        plain: as in ``Grammar``: among others without comments, and with short annotations only,
            since a text that never ends would swallow the music of a model that knows none.
    """

    def __init__(
        self,
        notes: Notes,
        bars: BarRules,
        fixed: frozenset[str],
        alphabet: frozenset[str] | None,
        plain: bool,
    ) -> None:
        self.notes, self.bars = notes, bars
        self._fixed, self._alphabet, self._plain = fixed, alphabet, plain
        # What can't be closed may not be opened.
        self._usable = frozenset(
            opening for opening, closing in zip('({[!"', ')}]!"', strict=True) if self._has(closing)
        )
        self._decorations = frozenset(
            filter(self._has, PLAIN_DECORATIONS if plain else DECORATION_NAMES)
        )
        self._decoration_starts = frozenset(
            name[:end] for name in self._decorations for end in range(1, len(name) + 1)
        )
        unknown = _UNKNOWN_TYPES if plain else ()
        types = [each for each in CHORD_TYPES if self._has(each) and each not in unknown]
        self.quoted, self._quoted_start = _quoted(types, plain=plain)
        self._places: dict[str, Callable[[Music, str], Music | None]] = {
            "line": self._line,
            "indent": self._indent,
            "after first": self._after_first,
            "continued": self._continued,
            "gap": self._gap,
            "accidental": self._accidental,
            "first note": self._first_note,
            "note": self._note,
            "length": self._length,
            "bar": self._bar,
            "bracket": self._bracket,
            "paren": self._paren,
            "tuplet": self._tuplet,
            "dot": self._dot,
            "letter": self._letter,
            "colon": self._colon,
            "value": self._value,
            "quote": self._quote,
            "bang": self._bang,
            "line end": self._line_end,
            "backslash": self._backslash,
            "percent": self._percent,
            "comment": self._comment,
            "chord": self._chord,
            "graces": self._graces,
        }

    def _has(self, text: str) -> bool:
        return self._alphabet is None or self._alphabet.issuperset(text)

    def advance(self, music: Music, character: str) -> Music | None:
        """The place after one more character, None if it may not stand here."""
        return self._places[music.place](music, character)

    def settle(self, music: Music) -> Music | None:
        """The place once the lexeme so far stands complete; None if it can't."""
        place = music.place
        if place in ("first note", "note"):
            started = self._pitched(music)
            return self._commit(started) if started else None
        if place == "length":
            return self._commit(music)
        if place == "bar":
            return self.bars.line(music._replace(place="gap", text=""), music.text)
        return self._begin_tuplet(music, music.text) if place == "tuplet" else music

    def pitch_key(self, music: Music) -> tuple[object, ...]:
        """What of a pitch that has begun the next character can ask about."""
        marked = (self._note(music, mark) is not None for mark in ",'")
        return self._pitched(music) is not None, *marked

    # -- lines

    def _line(self, music: Music, character: str) -> Music | None:
        if character in _NOTES:
            started = self._gap(music, character)
            return started._replace(place="first note") if started else None
        if character in _LINE_FIELDS:
            field = music._replace(place="letter", field=character)
            if character not in SHORTHANDS:
                return self._begin_field(field)
            # It may turn out to be a decoration.
            usable = self._begin_field(field) or self._gap(music, character)
            return field if usable else None
        if character in "\n":
            return None  # an empty line ends a tune
        if character == "%" and not self._plain:
            return music._replace(place="percent", field="%", written=0)
        return self._indent(music, character)

    def _indent(self, music: Music, character: str) -> Music | None:
        if character == "\n":
            return None
        if character == " ":
            return music._replace(place="indent")
        if character == "!":
            if self._plain and (music.tied or music.due):
                return None
            return music._replace(place="bang", text="", field="!", written=0)
        return self._gap(music, character)

    def _continued(self, music: Music, character: str) -> Music | None:
        if character in "\n%":
            return None
        if character == " ":
            return music
        return self._gap(music, character)

    def _end_line(self, music: Music) -> Music | None:
        if music.tuplet or music.broken or music.waiting or music.inside:
            return None
        return music._replace(place="line", text="", after=min(music.after, 1), written=0)

    def _letter(self, music: Music, character: str) -> Music | None:
        if character == ":":
            return self._begin_field(music._replace(place="value", text="", inside=""))
        if music.field not in SHORTHANDS:
            return None
        marked = self._gap(music._replace(place="gap", field=""), music.field)
        return self._places[marked.place](marked, character) if marked else None

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

    # -- between lexemes

    def _room(self, music: Music) -> bool:
        """Whether an event may begin here."""
        if not self.bars.may_begin(music):
            return False
        return not music.setting.full or self.notes.room(music) > 0

    def _gap(self, music: Music, character: str) -> Music | None:
        if character in _NOTES or character in _ACCIDENTALS:
            if not self._room(music):
                return None
            return self._begin_pitch(music, character)
        if character in "zx":
            if music.tied or not self._room(music):
                return None
            return music._replace(place="length", text="", last=())
        if character == " ":
            return music._replace(place="gap", after=min(music.after, 1), written=0)
        if character == "\n":
            return self._end_line(music)
        if character in _BAR_MARKS:
            return self._bar_text(music, character)
        if character in "<>":
            if not music.written or music.after != 2:
                return None
            return self._break(music, music.written)
        if character == "-":
            return self._tie(music)
        if character == "(":
            if not self._room(music) or "(" not in self._usable:
                return None
            begun = music._replace(place="paren", after=0, written=0)
            if self._may_slur(music) or any(self._tuplet_text(begun, each) for each in "2346"):
                return begun
            return None
        if character == ")":
            return music._replace(place="gap", slurs=music.slurs - 1) if (
                music.slurs and music.after and not music.waiting
            ) else None  # fmt: skip
        return self._mark(music, character)

    def _mark(self, music: Music, character: str) -> Music | None:
        if character in '({[!"' and character not in self._usable:
            return None
        if music.due and character not in ("[!" if self._plain else "[!%\\"):
            return None  # nothing stands between a repeat and its next ending
        if character == "[":
            if self._plain and music.tuplet and not music.due:
                return None  # chords in tuplets are beyond some programs
            line = not self._plain and self._bar_text(music, "[|")
            if not (line or music.due or self._room(music)):
                return None
            return music._replace(place="bracket", text="", written=0)
        if character == '"':
            if self._plain and music.tied:
                return None
            return music._replace(place="quote", text="", written=0)
        if character == "!":
            # A line's end only, where no decoration may come.
            if self._plain and (music.tied or music.due) and self._open(music):
                return None
            return music._replace(place="bang", text="", written=0)
        if character == "y" and not self._plain:
            return music._replace(place="gap", after=min(music.after, 1), written=0)
        if character == "{":
            if music.tied or (self._plain and (music.broken or not self._room(music))):
                return None
            return music._replace(place="graces", inside="{", inner=0, written=0)
        if character in SHORTHANDS:
            # A fermata, segno or coda may also stand over a bar line.
            if character in "HSO" and not self._plain:
                return music._replace(place="gap", after=min(music.after, 1), written=0)
            if not self._room(music) or (self._plain and music.tied):
                return None  # some programs lose a tie that leads to an ornament
            if character in "H." and self._plain and music.broken:
                return None
            place = "dot" if character == "." or self._plain else "gap"
            held = character if self._plain else ""
            return music._replace(place=place, field=held, waiting=True, written=0)
        if character == "`":
            return None if self._plain else music._replace(place="gap")
        if character == "%":
            if self._plain or self._open(music):
                return None
            return music._replace(place="percent", written=0)
        if character == "\\":
            if self._open(music) or not (music.due or self.bars.may_begin(music)):
                return None
            return music._replace(place="backslash")
        return None

    @staticmethod
    def _open(music: Music) -> bool:
        return bool(music.tuplet or music.broken or music.waiting or music.inside)

    def _dot(self, music: Music, character: str) -> Music | None:
        # A dot before ( - | means a dotted slur, tie or bar line, which few programs know; and few
        # know a decoration that does not stand directly before its note.
        if character in "(-|: \n)" or not (
            not self._plain or character in _NOTES or character in _ACCIDENTALS
        ):
            return None
        held = music.field if self._plain and music.field in ("H", ".") else ""
        return self._gap(music._replace(place="gap", field=held), character)

    def _break(self, music: Music, steps: int) -> Music | None:
        broken = music._replace(place="gap", text="", broken=steps, written=0, after=1)
        return broken if self.notes.fits(broken, steps) else None

    def _tie(self, music: Music) -> Music | None:
        if music.after != 2 or not music.last or music.tied or music.waiting:
            return None
        if music.setting.full and not self.notes.room(music) and not self.bars.may_go_on(music):
            return None
        pitches = {each[:2]: each for each in music.last}
        if self._plain and len(pitches) < len(music.last):
            return None  # some programs lose the ties of a chord that holds a note twice
        return music._replace(place="gap", tied=tuple(pitches.values()), written=0)

    # -- pitches and lengths

    def _begin_pitch(self, music: Music, character: str) -> Music | None:
        if character in _ACCIDENTALS:
            if not self._accidental_fits(music, character):
                return None
            return music._replace(place="accidental", text=character, written=0)
        started = music._replace(place="note", text=character, written=0)
        return started if self._may_become(started) else None

    def _accidental(self, music: Music, character: str) -> Music | None:
        text = music.text + character
        if character in _NOTES:
            started = music._replace(place="note", text=text)
            return started if self._may_become(started) else None
        if text not in ("^^", "__") or not self._accidental_fits(music, text):
            return None
        return music._replace(text=text)

    def _accidental_fits(self, music: Music, text: str) -> bool:
        """Whether a tied note, if one must follow, is written with such an accidental."""
        if not music.tied:
            return True
        if music.inside:
            return self.notes.chord_has_room(music) or any(
                each[2].startswith(text) for each in unmet(music)
            )
        return len(music.tied) == 1 and music.tied[0][2].startswith(text)

    def _may_become(self, music: Music) -> bool:
        """Whether the pitch so far, or with more octave marks, may stand here."""
        spelled = spelling(music.text)
        if self.notes.pitch(music, spelled):
            return True
        # Marks go on in the direction they began.
        lower = music.text.rstrip(",'")[-1].islower()
        down = "'" not in music.text and not (self._plain and lower)
        up = "," not in music.text and not (self._plain and not lower)
        letter, octave, accidental = spelled
        return any(
            self.notes.pitch(music, (letter, octave + step, accidental))
            for step in (*(range(-1, -4, -1) if down else ()), *(range(1, 4) if up else ()))
        )

    def _first_note(self, music: Music, character: str) -> Music | None:
        # A letter and a colon at a line's start are a field, to some programs with blanks between.
        if character == ":":
            return None
        after = self._note(music._replace(place="note"), character)
        if after is None or character != " " or not self._plain:
            return after
        return after._replace(place="after first")

    def _after_first(self, music: Music, character: str) -> Music | None:
        """Behind a line's first note and blanks."""
        if character == " ":
            return music
        return None if character == ":" else self._gap(music._replace(place="gap"), character)

    def _note(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character in ",'":
            if text[-1] in ",'" and text[-1] != character:
                return None
            if self._plain and (character == ",") != text.rstrip(",'")[-1].isupper():
                return None
            marked = music._replace(text=text + character)
            return marked if self._may_become(marked) else None
        started = self._pitched(music)
        return self._length(started, character) if started else None

    def _pitched(self, music: Music) -> Music | None:
        """The place after a pitch that stands complete, where a length may begin."""
        spelled = spelling(music.text)
        if not self.notes.pitch(music, spelled):
            return None
        held = (*music.last, spelled) if music.inside else (spelled,)
        return music._replace(place="length", text="", last=held)

    def _length(self, music: Music, character: str) -> Music | None:
        if character in _DIGITS or character == "/":
            text = music.text + character
            return music._replace(text=text) if self._length_may_become(music, text) else None
        done = self._commit(music)
        return self._places[done.place](done, character) if done else None

    def _length_may_become(self, music: Music, text: str) -> bool:
        lengths = self.notes.lengths(music.setting)
        found = lengths.reachable.get(text)
        if not found:
            return False
        if music.inside == "{":
            return True
        if music.inside == "[" and self._plain:
            return False  # the chord's own length follows it
        if music.inside == "[" and (music.inner or music.setting.unit in found):
            return (music.inner or music.setting.unit) in found
        if music.inside == "]" and music.inner != music.setting.unit:
            return False
        return self.notes.may_fit(
            music.setting, music.spent, music.owed, music.broken, music.tuplet, text
        )

    def _commit(self, music: Music) -> Music | None:
        """End a note, rest or chord whose length stands complete."""
        lengths = self.notes.lengths(music.setting)
        steps = lengths.values.get(music.text)
        if steps is None:
            return None
        if music.inside == "{":
            return music._replace(place="graces", text="", inner=1, last=())
        if music.inside == "[":
            if music.inner and steps != music.inner:
                return None
            # A chord of unit lengths can take its own length after it.
            if steps != music.setting.unit and not self.notes.fits(music, steps):
                return None
            return music._replace(place="chord", text="", inner=steps, after=2)
        if music.inside == "]":
            if music.text and music.inner != music.setting.unit:
                return None
            if not music.text:
                steps = music.inner
        return self.notes.event(music, steps, music.last, music.held)

    # -- chords and grace notes

    def _bracket(self, music: Music, character: str) -> Music | None:
        if character in _DIGITS or character == "|":
            return self._bar_text(music, "[" + character)
        if character in _INLINE_FIELDS:
            return self._begin_field(music._replace(place="colon", field=character, inside="["))
        if not self._room(music):
            return None
        begun = music._replace(place="chord", inside="[", inner=0, last=(), held=(), after=0)
        return None if character in "-]" else self._chord(begun, character)

    def _chord(self, music: Music, character: str) -> Music | None:
        if character in _NOTES or character in _ACCIDENTALS:
            if len(music.last) >= MAX_CHORD:
                return None
            return self._begin_pitch(music, character)
        if character in SHORTHANDS and not self._plain:
            return music._replace(after=0)
        if character == "-" and not self._plain and music.after == 2 and self.bars.may_go_on(music):
            return music._replace(held=(*music.held, music.last[-1]), after=1)
        if character == "]" and music.last and music.after:
            closed = music._replace(place="length", text="", inside="]")
            return None if unmet(music) else closed
        return None

    def _graces(self, music: Music, character: str) -> Music | None:
        if character in _NOTES or character in _ACCIDENTALS:
            return self._begin_pitch(music, character)
        if character == "/" and not music.inner and not music.text:
            return music._replace(text="/")
        if character == "}" and music.inner:
            # Those after a trill stand before a bar line or the end of a slur.
            return music._replace(
                place="gap", text="", inside="", inner=0, waiting=self._plain, last=()
            )
        return None

    # -- bar lines

    def _bar_text(self, music: Music, text: str) -> Music | None:
        before = music._replace(place="gap", text="")
        if any(self.bars.line(before, each) for each in EXTENSIONS.get(text, ())):
            return music._replace(place="bar", text=text, written=0)
        return None

    def _bar(self, music: Music, character: str) -> Music | None:
        longer = self._bar_text(music, music.text + character)
        if longer:
            return longer
        if (character in _BAR_MARKS and music.text != INVISIBLE) or character in _DIGITS:
            return None  # it would be read as one line
        done = self.settle(music)
        return self._gap(done, character) if done else None

    # -- tuplets and slurs

    def _paren(self, music: Music, character: str) -> Music | None:
        if character in _DIGITS:
            return self._tuplet_text(music, character)
        if not self._may_slur(music):
            return None
        slurred = music._replace(place="gap", slurs=music.slurs + 1, waiting=True)
        return self._gap(slurred, character)

    def _may_slur(self, music: Music) -> bool:
        return music.slurs < (1 if self._plain else _MAX_SLURS)

    def _tuplet_text(self, music: Music, text: str) -> Music | None:
        if music.tuplet or music.broken or not re.fullmatch(r"[2-9](?::[1-9]?(?::[1-9]?)?)?", text):
            return None
        begun = self._begin_tuplet(music, text)
        return music._replace(place="tuplet", text=text) if begun else None

    def _begin_tuplet(self, music: Music, text: str) -> Music | None:
        setting = music.setting
        actual, normal, notes = parse_tuplet("(" + text, setting.compound)
        tuplet = Tuplet(actual, normal, notes, 0, 0 if self._plain else -1)
        room = self.notes.room(music)
        if fill_tuplet(self.notes.lengths(setting), tuplet, room) is None:
            return None
        return music._replace(place="gap", text="", tuplet=tuplet, after=0)

    def _tuplet(self, music: Music, character: str) -> Music | None:
        longer = self._tuplet_text(music, music.text + character)
        if longer or character in _DIGITS:
            return longer
        done = self._begin_tuplet(music, music.text)
        return self._gap(done, character) if done and character not in ":" else None

    # -- text

    def _quote(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character == '"':
            if text[:1] in _PLACINGS and text:
                return music._replace(place="gap", text="", after=min(music.after, 1))
            if not self.quoted.fullmatch(text):
                # "Treat chord symbols quite liberally" (4.18): words in quotes are common.
                return None if self._plain else music._replace(place="gap", text="")
            # One at a bar's end has no note to wait for.
            symbols = music.symbols or self._plain
            return music._replace(place="gap", text="", waiting=self._room(music), symbols=symbols)
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
        if not accompanied(music.setting, music.pickup):
            return None
        return music._replace(text=text) if self._quoted_start.fullmatch(text) else None

    def _bang(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character in " \n" and not (text or music.field or self._open(music)):
            # The old mark of a line's end, which stands last on its line.
            return self._line_end(music._replace(place="line end"), character)
        if character == "!":
            if text in self._decorations:
                return music._replace(place="gap", text="", field="", after=min(music.after, 1))
            return None
        if self._plain and (music.tied or music.due):
            return None
        text += character
        return music._replace(text=text) if text in self._decoration_starts else None

    # -- fields among the music

    def _begin_field(self, music: Music) -> Music | None:
        if music.field in self._fixed or self._open(music._replace(inside="")) or music.tied:
            return None
        if not self.bars.may_begin(music) or music.slurs:
            return None
        if music.field == "M" and (music.spent or music.owed or music.bars >= 0):
            return None  # nor where bars are counted
        return None if music.field == "P" and not music.line and self._plain else music

    def _colon(self, music: Music, character: str) -> Music | None:
        return music._replace(place="value", text="") if character == ":" else None

    def _value(self, music: Music, character: str) -> Music | None:
        field, text = music.field, music.text
        if character == ("]" if music.inside else "\n"):
            done = self._set(music, text.rstrip(" "))
            if done is None:
                return None
            return done._replace(
                place="gap" if music.inside else "line", text="", field="", inside="", closed=False
            )
        if character == " " and not text:
            return music
        text += character
        if field == "P":
            return music._replace(text=text) if re.fullmatch(r"[A-Z] *", text) else None
        value = header.value_of(field, "")
        if not value.accepts(text) or header.completion(field, "", text, self._alphabet) is None:
            return None
        return music._replace(text=text)

    def _set(self, music: Music, value: str) -> Music | None:
        """Apply a field whose value is complete."""
        field, setting = music.field, music.setting
        if field == "P":
            return music if value else None
        if not header.value_of(field, "").is_whole(value):
            return None
        if field == "K":
            key = header.read_setting("", "", value).key
            return music._replace(setting=setting._replace(key=key), alters=())
        if field == "M":
            read = header.read_setting(value, "", "none")
            setting = setting._replace(full=read.full, compound=read.compound)
            music = music._replace(setting=setting, pickup=0)
        elif field == "L":
            setting = setting._replace(unit=header.read_setting("", value, "none").unit)
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


@lru_cache(maxsize=4096)
def spelling(text: str) -> Spelling:
    """A pitch lexeme as letter, octave and accidental."""
    letter, _, octave, _ = parse_note(text)
    return letter, octave, text.rstrip(",'")[:-1]
