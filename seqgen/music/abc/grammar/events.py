"""Notes, chords, grace notes, tuplets, slurs and ties, character by character."""

from __future__ import annotations

import re
from functools import lru_cache

from seqgen.music.abc.grammar.bars import BarRules
from seqgen.music.abc.grammar.lexemes import ACCIDENTALS, DIGITS, NOTES, Latest, Lexemes
from seqgen.music.abc.grammar.notes import MAX_CHORD, Notes, fill_tuplet, unmet
from seqgen.music.abc.grammar.state import Music, Spelling, Tuplet
from seqgen.music.abc.notation import SHORTHANDS
from seqgen.music.abc.values import parse_note, parse_tuplet

__all__ = ["EventRules", "spelling"]

_MAX_SLURS = 4
MOST_GRACES = 4  # of a drawn tune; of 3,700 groups in real ones 2 are longer


class EventRules(Lexemes):
    """The rules of what sounds (ABC 2.1, sections 4.1 to 4.4, 4.11 to 4.13, 4.17 and 4.20)."""

    def __init__(
        self,
        notes: Notes,
        bars: BarRules,
        fixed: frozenset[str],
        alphabet: frozenset[str] | None,
        plain: bool,
    ) -> None:
        super().__init__(notes, bars, fixed, alphabet, plain)
        self._begun, self._committed = Latest(self._pitched), Latest(self._commit)

    # -- pitches and lengths

    def _begin_pitch(self, music: Music, character: str) -> Music | None:
        if character in ACCIDENTALS:
            if not self._accidental_fits(music, character):
                return None
            return music._replace(place="accidental", text=character, written=0)
        started = music._replace(place="note", text=character, written=0)
        return started if self._may_become(started) else None

    def _accidental(self, music: Music, character: str) -> Music | None:
        text = music.text + character
        if character in NOTES:
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
            # One of its own in another octave would alter the tied note too, to some programs.
            free = not self._plain and self.notes.chord_has_room(music)
            return free or any(each[2].startswith(text) for each in unmet(music))
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

    def _note(self, music: Music, character: str) -> Music | None:
        text = music.text
        if character in ",'":
            if text[-1] in ",'" and text[-1] != character:
                return None
            if self._plain and (character == ",") != text.rstrip(",'")[-1].isupper():
                return None
            marked = music._replace(text=text + character)
            return marked if self._may_become(marked) else None
        started = self._begun(music)
        return self._length(started, character) if started else None

    def _pitched(self, music: Music) -> Music | None:
        """The place after a pitch that stands complete, where a length may begin."""
        spelled = spelling(music.text)
        if not self.notes.pitch(music, spelled):
            return None
        held = (*music.last, spelled) if music.inside else (spelled,)
        return music._replace(place="length", text="", last=held)

    def pitch_key(self, music: Music) -> tuple[object, ...]:
        """What of a pitch that has begun the next character can ask about."""
        marked = (self._note(music, mark) is not None for mark in ",'")
        return self._pitched(music) is not None, *marked

    def _length(self, music: Music, character: str) -> Music | None:
        if character in DIGITS or character == "/":
            text = music.text + character
            return music._replace(text=text) if self._length_may_become(music, text) else None
        done = self._committed(music)
        return self.advance(done, character) if done else None

    def _length_may_become(self, music: Music, text: str) -> bool:
        lengths = self.notes.lengths(music.setting)
        found = lengths.reachable.get(text)
        if not found:
            return False
        if music.inside == "{":
            return not self._plain or text == "/"
        if music.inside == "[" and self._plain:
            return False  # the chord's own length follows it
        if music.inside == "[" and (music.inner or music.setting.unit in found):
            return (music.inner or music.setting.unit) in found
        if music.inside == "]" and music.inner != music.setting.unit:
            return False
        return self.notes.may_fit(music, text)

    def _commit(self, music: Music) -> Music | None:
        """End a note, rest or chord whose length stands complete."""
        lengths = self.notes.lengths(music.setting)
        steps = lengths.values.get(music.text)
        if steps is None:
            return None
        if music.inside == "{":
            most = MOST_GRACES if self._plain else 1
            return music._replace(
                place="graces", text="", inner=min(music.inner + 1, most), last=()
            )
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

    def _break(self, music: Music, steps: int) -> Music | None:
        broken = music._replace(place="gap", text="", broken=steps, written=0, after=1)
        return broken if self.notes.fits(broken, steps) else None

    def _tie(self, music: Music) -> Music | None:
        if music.after != 2 or not music.last or music.tied or music.waiting:
            return None
        if music.setting.full and not self.notes.room(music) and not self.bars.may_go_on(music):
            return None
        if self._plain and len(music.last) > 1 and not self.notes.room(music):
            return None  # some programs lose a chord's ties over a bar line
        pitches = {each[:2]: each for each in music.last}
        return music._replace(place="gap", tied=tuple(pitches.values()), written=0)

    # -- chords and grace notes

    def _chord(self, music: Music, character: str) -> Music | None:
        if character in NOTES or character in ACCIDENTALS:
            if len(music.last) >= MAX_CHORD:
                return None
            return self._begin_pitch(music, character)
        if character in SHORTHANDS and not self._plain:
            return music._replace(after=0) if len(music.last) < MAX_CHORD else None
        if character == "-" and not self._plain and music.after == 2 and self.bars.may_go_on(music):
            return music._replace(held=(*music.held, music.last[-1]), after=1)
        if character == "]" and music.last and music.after:
            closed = music._replace(place="length", text="", inside="]")
            return None if unmet(music) else closed
        return None

    def _graces(self, music: Music, character: str) -> Music | None:
        if character in NOTES or character in ACCIDENTALS:
            more = music.inner + 1
            if self._plain and more > 1 and not self._may_host(music, more):
                return None
            return self._begin_pitch(music, character)
        if character == "/" and not music.inner and not music.text:
            return music._replace(text="/")
        if character == "}" and music.inner:
            # Those after a trill stand before a bar line or the end of a slur.
            # A prompt may have left too little room for its own.
            graces = music.inner if self._plain and self._may_host(music, music.inner) else 0
            return music._replace(
                place="gap", text="", inside="", inner=0, waiting=self._plain, last=(),
                graces=graces,
            )  # fmt: skip
        return None

    def _may_host(self, music: Music, graces: int) -> bool:
        """Whether a note may follow that is long enough for so many grace notes."""
        if graces > MOST_GRACES:
            return False
        return self.bars.may_begin(music) and self.notes.may_fit(music._replace(graces=graces), "")

    # -- tuplets and slurs

    def _paren(self, music: Music, character: str) -> Music | None:
        if character in DIGITS:
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
        if self._plain and (len(music.tied) > 1 or music.graces):
            return None  # the tied chord, or the note that is graced, would stand in the tuplet
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
        if longer or character in DIGITS:
            return longer
        done = self._begin_tuplet(music, music.text)
        return self._gap(done, character) if done and character not in ":" else None


@lru_cache(maxsize=4096)
def spelling(text: str) -> Spelling:
    """A pitch lexeme as letter, octave and accidental."""
    letter, _, octave, _ = parse_note(text)
    return letter, octave, text.rstrip(",'")[:-1]
