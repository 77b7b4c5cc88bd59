"""What the rules of notes, of texts and of lines all ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from seqgen.music.abc.grammar.bars import BarRules
from seqgen.music.abc.grammar.notes import Notes
from seqgen.music.abc.grammar.state import Music

__all__ = ["ACCIDENTALS", "DIGITS", "NOTES", "Latest", "Lexemes"]

NOTES = frozenset("ABCDEFGabcdefg")
ACCIDENTALS = frozenset("^_=")
DIGITS = frozenset("0123456789")


class Latest:
    """A function of a place that remembers its latest answer.

    A mask asks how a lexeme ends once for every character that may come after it.
    """

    def __init__(self, rule: Callable[[Music], Music | None]) -> None:
        self._rule = rule
        # One value, so that threads may share it.
        self._known: tuple[Music | None, Music | None] = (None, None)

    def __call__(self, music: Music) -> Music | None:
        """What the rule says."""
        asked, answer = self._known
        if asked is not music:
            answer = self._rule(music)
            self._known = music, answer
        return answer


class Lexemes(ABC):
    """The rules of some lexemes, each a method from a place and one more character to the next.

    Args:
        notes: the rules of events; bars: those of bar lines.
        fixed: fields that may not change, since their values were asked for.
        alphabet: the characters that lexemes are finished with; None for all.
        plain: as in ``Grammar``.
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

    def _has(self, text: str) -> bool:
        return self._alphabet is None or self._alphabet.issuperset(text)

    @abstractmethod
    def advance(self, music: Music, character: str) -> Music | None:
        """The place after one more character, None if it may not stand here."""

    @abstractmethod
    def _gap(self, music: Music, character: str) -> Music | None:
        """The place after a character that begins a lexeme, or a blank."""

    def _room(self, music: Music) -> bool:
        """Whether an event may begin here."""
        if not self.bars.may_begin(music):
            return False
        return not music.setting.full or self.notes.room(music) > 0

    @staticmethod
    def _open(music: Music) -> bool:
        return bool(music.tuplet or music.broken or music.waiting or music.inside)

    def _may_end_line(self, music: Music) -> bool:
        # 3 of 2,340 real tunes break a line elsewhere than at a bar line and without a backslash; a
        # model that does so goes on as if another tune began.
        return not self._open(music) and not (self._plain and not music.line)

    def _end_line(self, music: Music) -> Music | None:
        if not self._may_end_line(music):
            return None
        return music._replace(place="line", text="", after=min(music.after, 1), written=0)
