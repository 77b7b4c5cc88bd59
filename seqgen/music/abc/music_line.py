"""Cuts a line of music in larger pieces than the lexer's, for the parser: whole notes.

A note or rest with its length and the blanks before it is one lexeme, NOTES, and so are two with a
broken rhythm between them; a bar line takes in the blanks around it. What hangs on a note, such as
``"3"(`` before it or ``-`` and ``)`` after it, belongs to its lexeme too, unless marks are asked
for as lexemes of their own. All others are as ``lex_line`` has them.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TypeAlias

from seqgen.music.abc.bar_lines import BarText, parse_bar_line
from seqgen.music.abc.lexer import Kind, Kinds, Lexeme
from seqgen.music.abc.notation import MUSIC, SHORTHANDS

__all__ = [
    "READINGS",
    "RUN_KINDS",
    "MusicLine",
    "NotePart",
    "lex_runs",
    "marks_of",
    "pieces_of",
]

# Pitches, lengths and blanks of MUSIC in forms that match by a third more quickly: they never give
# back what they have taken, look at one character before they try several alternatives, and try
# the commonest bar line first.
_BLANKS = r"[^\S\r\n]*+"
_PITCH = r"(?:\^\^?+|__?+|=)?+[A-Ga-g][,']*+"
_EVENT = (
    rf"(?:[A-Ga-g][,']*+|{MUSIC['rest']}|(?:\^\^?+|__?+|=)[A-Ga-g][,']*+)"
    r"[0-9]*+(?:/(?:[0-9]++|/*+))?+"
)
_BROKEN = r"(?=[<>])(?:>{1,3}|<{1,3})"
_RUNS = {
    "notes": rf"{_BLANKS}{_EVENT}(?:{_BLANKS}{_BROKEN}{_BLANKS}{_EVENT})?+",
    "bar": rf"{_BLANKS}(?:\|(?![|:\[\]0-9])|{MUSIC['bar']}){_BLANKS}",
}
_PIECE = re.compile(rf"{_EVENT}|{_BROKEN}")
# What is written at a note without a blank: slurs, decorations as the standard abbreviates them,
# chord symbols, annotations and grace notes before it; slurs and ties after it. So few that a run
# of marks without a note is not looked through again from each of them.
_GRACES = rf"\{{/?(?:{_PITCH}[0-9]*+(?:/(?:[0-9]++|/*+))?+){{1,8}}+\}}"
_FIRST = "".join(SHORTHANDS)
_MARK = rf"\.?\(|[{_FIRST}]|\"[^\"\\\r\n]*+\"|{_GRACES}"
_BEFORE = rf"(?:(?=[(\"{{{_FIRST}])(?:{_MARK}){{1,8}}+)?+"
_AFTER = r"(?:[)-]|\.-)*+"
_MARKED = rf"{_BEFORE}{_EVENT}{_AFTER}"
_MARKED_RUNS = _RUNS | {
    "notes": rf"{_BLANKS}{_MARKED}(?:{_BLANKS}{_BROKEN}{_BLANKS}{_MARKED})?+",
}
# Of what _BEFORE has matched, so it need not be told apart from anything else.
_MARKS = re.compile(r"\.?\(|\"[^\"]*\"|\{[^}]*\}|.")
_PARTS = rf"({_BEFORE})({_EVENT})({_AFTER})"
_notes = re.compile(rf"({_BLANKS}){_PARTS}(?:({_BLANKS})({_BROKEN})({_BLANKS}){_PARTS})?").fullmatch

_OTHERS = {kind: MUSIC[kind] for kind in MUSIC if kind not in ("bar", "pitch", "rest")}
_single_runs = Kinds(_RUNS | _OTHERS)
RUN_KINDS = Kinds(_MARKED_RUNS | _OTHERS)
"""The kinds of lexemes of a :class:`MusicLine` by their texts."""

NotePart: TypeAlias = tuple[bool, str | None, str, str, int]
"""A note or rest of NOTES: whether a blank stands before all of it; the marks before it; its text
with its length; the marks after it; where its text begins. Of a broken rhythm between two of them:
False, None, it, nothing, and where it begins."""

Reading: TypeAlias = tuple[Kind, tuple[NotePart, ...], BarText | None]
"""What a lexeme of a :class:`MusicLine` is: its kind, the parts of NOTES, what a bar line means."""


_LONGEST = 64  # characters of a text; longer ones seldom come again


class Readings(dict[str, Reading]):
    """What lexemes are by their texts: a tune repeats them, so each is taken apart once."""

    def __missing__(self, text: str) -> Reading:
        kind, bar = Kind.NOTES, None
        parts: tuple[NotePart, ...] = ()
        # A new text is a note most often.
        if match := _notes(text):
            blanks, before, name, after, *second = match.groups()
            parts = ((blanks != "", before, name, after, match.start(3)),)
            blanks, broken, then, before, name, after = second
            if broken:
                parts = (
                    *parts,
                    (False, None, broken, "", match.start(6)),
                    (blanks + then != "", before, name, after, match.start(9)),
                )
        else:
            kind = RUN_KINDS[text]
            if kind is Kind.BAR:
                bar = parse_bar_line(text)
        found = kind, parts, bar
        if len(text) <= _LONGEST:
            if len(self) >= 1 << 16:  # hostile input must not fill the memory
                self.clear()
            self[text] = found
        return found


READINGS = Readings()
"""Those of this process."""


class MusicLine:
    """A line of music as the parser reads it.

    The parser knows what most texts stand for without asking for their kind, so lexemes are put
    together only for the few lines where it must.

    Args:
        texts: of the lexemes; offsets: where each begins.

    Attributes:
        end: how many lexemes there are; ``texts`` has one more, empty.
    """

    __slots__ = ("_lexemes", "end", "offsets", "texts")

    def __init__(self, texts: list[str], offsets: list[int], lexemes: list[Lexeme] | None) -> None:
        self.end = len(texts)
        self.texts = texts
        self.offsets = offsets
        self._lexemes = lexemes
        texts.append("")

    @classmethod
    def cut(cls, line: str, offset: int) -> MusicLine:
        """Cut a line that begins at an offset."""
        texts = RUN_KINDS.cut(line)
        return cls(texts, list(accumulate(map(len, texts), initial=offset)), None)

    @classmethod
    def of(cls, lexemes: list[Lexeme]) -> MusicLine:
        """The line that some lexemes make, those of ``lex_runs``."""
        return cls([text for _, text, _ in lexemes], [offset for _, _, offset in lexemes], lexemes)

    def take_apart(self, index: int) -> list[Lexeme]:
        """All lexemes, those from an index on with the marks of a note apart from it."""
        if self._lexemes is None:  # once a line, so the time stays linear
            texts, offsets = self.texts, self.offsets
            apart = lex_runs("".join(texts[index:]), offsets[index])
            kinds = [READINGS[text][0] for text in texts[:index]]
            self._lexemes = [*zip(kinds, texts, offsets, strict=False), *apart]
            texts[index:] = [*(text for _, text, _ in apart), ""]
            offsets[index:] = [offset for _, _, offset in apart]
            self.end = len(self._lexemes)
        return self._lexemes


def lex_runs(line: str, offset: int) -> list[Lexeme]:
    """The lexemes of a line of music with notes, two in broken rhythm, and bar lines whole."""
    return list(_single_runs.lex(line, offset))


def marks_of(before: str) -> list[str]:
    """Each of the marks before a note: ``(``, a shorthand, a text in quotes, ``{…}``."""
    return _MARKS.findall(before)


def pieces_of(notes: str) -> list[tuple[str, int, bool]]:
    """Each note, rest (both with their length) and broken rhythm of NOTES.

    Returns:
        Its text, where it begins, and whether a blank precedes it.
    """
    return [
        (match[0], match.start(), bool(match.start()) and notes[match.start() - 1].isspace())
        for match in _PIECE.finditer(notes)
    ]
