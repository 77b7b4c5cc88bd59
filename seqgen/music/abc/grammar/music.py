"""The music: which lexeme may follow which, character by character (ABC 2.1, section 4)."""

from __future__ import annotations

from collections.abc import Callable

from seqgen.music.abc.grammar.bars import EXTENSIONS, INVISIBLE, BarRules
from seqgen.music.abc.grammar.events import EventRules
from seqgen.music.abc.grammar.lexemes import ACCIDENTALS, DIGITS, NOTES, Latest
from seqgen.music.abc.grammar.notes import UNTIED, Notes
from seqgen.music.abc.grammar.state import Music
from seqgen.music.abc.grammar.texts import TextRules
from seqgen.music.abc.notation import SHORTHANDS

__all__ = ["MusicRules"]

_BAR_MARKS = frozenset("|:")
_LINE_FIELDS = frozenset("KLMPQ")
_INLINE_FIELDS = frozenset("KLMPQ")
# A model that has lost its way fills pages with what takes no time. No real tune that could have
# been drawn, of 2,361, goes so long without a note or bar line.
MOST_IDLE = 32
_TEXTS = frozenset(("quote", "bang", "value"))
_TIMELESS = _TEXTS | {
    "line", "indent", "continued", "after first", "gap", "line end", "backslash", "letter", "colon",
    "dot", "graces", "bracket",
}  # fmt: skip


class MusicRules(EventRules, TextRules):
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
        super().__init__(notes, bars, fixed, alphabet, plain)
        self._ended = Latest(self.settle)
        # What can't be closed may not be opened.
        self._usable = frozenset(
            opening for opening, closing in zip('({[!"', ')}]!"', strict=True) if self._has(closing)
        )
        # Nor may a first ending come where no second could be written.
        self._extensions = {
            text: tuple(line for line in lines if self._has(line.replace("1", "12")))
            for text, lines in EXTENSIONS.items()
        }
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

    def advance(self, music: Music, character: str) -> Music | None:
        """The place after one more character, None if it may not stand here."""
        after = self._places[music.place](music, character)
        return self._hasten(music, character, after) if after is not None and self._plain else after

    def _hasten(self, music: Music, character: str, after: Music) -> Music | None:
        """The place after a character, None where a drawn tune has long gone on without a note."""
        if after.place not in _TIMELESS and after.inside != "{":
            return after._replace(idle=0) if after.idle else after
        if music.idle >= MOST_IDLE and (
            (character in ' "!{\\' and music.place not in _TEXTS)
            or after.place in ("colon", "letter")
            or (character == " " and music.place == "value" and music.idle >= 2 * MOST_IDLE)
        ):
            return None
        return after._replace(idle=music.idle + 1)

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

    # -- lines

    def _line(self, music: Music, character: str) -> Music | None:
        if character in NOTES:
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
            # Where no music can follow, nor the tune end.
            usable = music.due or self.bars.may_begin(music)
            return music._replace(place="indent") if usable else None
        if character == "!":
            if self._plain and (music.tied or not self.bars.may_begin(music)):
                return None
            return music._replace(place="bang", text="", field="!", written=0)
        return self._gap(music, character)

    def _continued(self, music: Music, character: str) -> Music | None:
        if character in "\n%":
            return None
        if character == " ":
            return music
        after = self._gap(music, character)
        if after is None or after.place != "note" or not self._plain:
            return after
        return after._replace(place="first note")  # some programs see a field here, too

    def _letter(self, music: Music, character: str) -> Music | None:
        if character == ":":
            return self._begin_field(music._replace(place="value", text="", inside=""))
        if music.field not in SHORTHANDS:
            return None
        marked = self._gap(music._replace(place="gap", field=""), music.field)
        return self._places[marked.place](marked, character) if marked else None

    def _first_note(self, music: Music, character: str) -> Music | None:
        # A letter and a colon at a line's start are a field, to some programs with blanks between.
        if character == ":":
            return None
        after = self._note(music._replace(place="note"), character)
        if after is None or character != " " or not self._plain:
            return after
        # With no room for another note, a colon might be all that can follow.
        return after._replace(place="after first") if self._room(after) else None

    def _after_first(self, music: Music, character: str) -> Music | None:
        """Behind a line's first note and blanks."""
        if character == " ":
            return music
        return None if character == ":" else self._gap(music._replace(place="gap"), character)

    # -- between lexemes

    def _gap(self, music: Music, character: str) -> Music | None:
        if character in NOTES or character in ACCIDENTALS:
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
            if self._plain and (music.tied or not self.bars.may_begin(music)):
                return None
            return music._replace(place="quote", text="", written=0)
        if character == "!":
            # A line's end only, where no decoration may come.
            usable = not self._plain or (not music.tied and self.bars.may_begin(music))
            if not usable and not self._may_end_line(music):
                return None
            return music._replace(place="bang", text="", written=0)
        if character == "y" and not self._plain:
            return music._replace(place="gap", after=min(music.after, 1), written=0)
        if character == "{":
            if music.tied:
                return None
            # Nor within a tuplet, whose notes some programs take as unequal then.
            if self._plain and (
                music.broken or music.tuplet or music.graces or not self._may_host(music, 1)
            ):
                return None
            return music._replace(place="graces", inside="{", inner=0, written=0)
        if character in SHORTHANDS:
            # A fermata, segno or coda may also stand over a bar line.
            if character in "HSO" and not self._plain:
                return music._replace(
                    place="gap", after=min(music.after, 1), written=0,
                    fermata=music.fermata or character == "H",
                )  # fmt: skip
            if not self._room(music) or (self._plain and music.tied):
                return None  # some programs lose a tie that leads to an ornament
            if character in "H.~" and self._plain and music.broken:
                return None
            if character == "H" and self._plain and music.symbols:
                return None  # some programs make its note longer, but not the accompaniment
            if not self._plain:
                place = "dot" if character == "." else "gap"
                return music._replace(place=place, field="", waiting=True, written=0)
            graces = music.graces
            if character == "." and graces:
                return None  # nor is a staccato note as long
            if character == "~":  # some programs play a roll as grace notes, too
                if graces or music.tuplet or not self._may_host(music, 1):
                    return None
                graces = 1
            return music._replace(
                place="dot", field=character, waiting=True, written=0, graces=graces
            )
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

    def _dot(self, music: Music, character: str) -> Music | None:
        # A dot before ( - | means a dotted slur, tie or bar line, which few programs know; and few
        # know a decoration that does not stand directly before its note.
        if character in "(-|: \n)" or not (
            not self._plain or character in NOTES or character in ACCIDENTALS
        ):
            return None
        held = music.field if self._plain and music.field in UNTIED else ""
        return self._gap(music._replace(place="gap", field=held), character)

    # -- brackets and bar lines

    def _bracket(self, music: Music, character: str) -> Music | None:
        if character in DIGITS or character == "|":
            return self._bar_text(music, "[" + character)
        if character in _INLINE_FIELDS:
            return self._begin_field(music._replace(place="colon", field=character, inside="["))
        if not self._room(music):
            return None
        begun = music._replace(place="chord", inside="[", inner=0, last=(), held=(), after=0)
        return None if character in "-]" else self._chord(begun, character)

    def _bar_text(self, music: Music, text: str) -> Music | None:
        extensions = self._extensions.get(text)
        if extensions is None:  # most often
            return None
        before = music._replace(place="gap", text="")
        if any(self.bars.line(before, each) for each in extensions):
            return music._replace(place="bar", text=text, written=0)
        return None

    def _bar(self, music: Music, character: str) -> Music | None:
        longer = self._bar_text(music, music.text + character)
        if longer:
            return longer
        if (character in _BAR_MARKS and music.text != INVISIBLE) or character in DIGITS:
            return None  # it would be read as one line
        done = self._ended(music)
        return self._gap(done, character) if done else None
