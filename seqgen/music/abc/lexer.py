"""Cuts ABC into lexemes without losing a character and without ever failing.

The granularity is that of a musician: a pitch with its accidental and octave marks is one lexeme, a
length another, a bar line with its repeat dots and ending a third. Lines of fields are cut in the
field's name (``K:``), white space, and value. The parser, the learner's tokenizer, the transposer
and the constrained decoder all stand on this.

What a line is depends on where it stands: free text between tunes, the header (from ``X:`` to
``K:``), or the music after it, until an empty line. That is the whole state, a :class:`Context`.

The parser goes by larger pieces, for speed: it asks ``kind_of_line`` for the kind of a whole line,
takes fields' values by ``field_value``, and cuts music as ``music_line`` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, chain, repeat
from string import ascii_letters, ascii_uppercase
from typing import TypeAlias

from seqgen.music.abc.notation import MUSIC

__all__ = [
    "Context",
    "Kind",
    "Kinds",
    "Lexeme",
    "field_value",
    "kind_of_line",
    "lex",
    "lex_line",
    "lines",
]


class Kind(StrEnum):
    """What a lexeme is; those of a line of music are explained in ``notation.MUSIC``."""

    # Enum's own hash runs in Python, and tables by kind are read for every lexeme.
    __hash__ = str.__hash__

    MUSIC = "music"  # a whole line of music, for the parser
    NOTES = "notes"  # a note or rest with its length, or two in broken rhythm, for the parser
    PITCH = "pitch"
    LENGTH = "length"
    SPACE = "space"
    BAR = "bar"
    ENDING = "ending"
    TUPLET = "tuplet"
    INLINE_FIELD = "inline_field"
    CHORD_SYMBOL = "chord_symbol"
    ANNOTATION = "annotation"
    DECORATION = "decoration"
    SLUR_OPEN = "slur_open"
    SLUR_CLOSE = "slur_close"
    TIE = "tie"
    BROKEN = "broken"
    REST = "rest"
    BAR_REST = "bar_rest"
    SPACER = "spacer"
    CHORD_OPEN = "chord_open"
    CHORD_CLOSE = "chord_close"
    GRACE_OPEN = "grace_open"
    GRACE_CLOSE = "grace_close"
    SHORTHAND = "shorthand"
    OVERLAY = "overlay"
    CHORD_MARK = "chord_mark"
    LINE_BREAK = "line_break"
    CONTINUATION = "continuation"
    IGNORED = "ignored"
    COMMENT = "comment"
    UNKNOWN = "unknown"
    FIELD = "field"  # a field's letter and colon at the start of a line
    VALUE = "value"  # what stands after it, without the spaces around it
    DIRECTIVE = "directive"  # %%… to the end of the line
    NEWLINE = "newline"
    TEXT = "text"  # anything outside tunes, or in a header without being a field


Lexeme: TypeAlias = tuple[Kind, str, int]
"""A piece of ABC: what it is, its characters as they stand in the source, and where it begins, in
characters from the start of the text. Plain tuples, since a collection has millions of them.
"""


class Context(StrEnum):
    """Where a line stands, which decides what its characters mean."""

    __hash__ = str.__hash__

    FILE = "file"
    HEADER = "header"
    BODY = "body"
    # Between %%begintext and %%endtext, to go back to FILE, HEADER or BODY after it.
    FILE_BLOCK = "file block"
    HEADER_BLOCK = "header block"
    BODY_BLOCK = "body block"


_LINE = re.compile(r"([^\r\n]*)(\r\n?|\n)|([^\r\n]+)")
_LOWER_FIELDS = "mrsw+"  # that may stand among the music
_FIELDS = ascii_letters + "+"
_BEGIN_BLOCK = re.compile(r"%%\s*begin[a-z]+")
_END_BLOCK = re.compile(r"%%\s*end[a-z]+")
_BLOCKS = {
    Context.FILE: Context.FILE_BLOCK,
    Context.HEADER: Context.HEADER_BLOCK,
    Context.BODY: Context.BODY_BLOCK,
}
_AFTER_BLOCK = {block: context for context, block in _BLOCKS.items()}


_BY_NAME: dict[str, Kind] = {kind.value: kind for kind in Kind}


class Kinds(dict[str, Kind]):
    """Kind by text: a tune repeats its lexemes, so each is classified once.

    Args:
        patterns: a regular expression by kind; the first that matches is it.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        super().__init__()
        self._patterns = patterns

    # Compiled for the first text: what never meets one needn't wait.
    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        named = (f"(?P<{kind}>{each})" for kind, each in self._patterns.items())
        return re.compile("|".join(named))

    @cached_property
    def cut(self) -> Callable[[str], list[str]]:
        """The texts of all lexemes of a line of music."""
        return re.compile("|".join(f"(?:{each})" for each in self._patterns.values())).findall

    def __missing__(self, text: str) -> Kind:
        match = self._pattern.fullmatch(text)
        # Looked up, since calling an Enum takes longer than the match.
        kind = _BY_NAME[match.lastgroup] if match and match.lastgroup else Kind.TEXT
        if len(self) >= 1 << 16:  # hostile input must not fill the memory
            self.clear()
        self[text] = kind
        return kind

    def lex(self, line: str, offset: int) -> Iterator[Lexeme]:
        """The lexemes of a line of music, without a Python-level step for each of them."""
        texts = self.cut(line)
        offsets = accumulate(map(len, texts), initial=offset)
        return zip(map(self.__getitem__, texts), texts, offsets, strict=False)


_kinds = Kinds(MUSIC)


def lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line and its end (LF, CR LF, CR, or nothing on the last)."""
    if "\r" in text:
        return _lines_of_any_end(text)
    *whole, rest = text.split("\n")
    return chain(zip(whole, repeat("\n"), strict=False), [(rest, "")] if rest else [])


def _lines_of_any_end(text: str) -> Iterator[tuple[str, str]]:
    for match in _LINE.finditer(text):
        line, end, last = match.groups()
        yield (last, "") if last is not None else (line, end)


def lex(text: str, context: Context = Context.FILE) -> list[Lexeme]:
    """Cut a text; the lexemes' texts joined give it back, whatever it holds.

    Args:
        context: where the text begins; BODY for a fragment of music, HEADER for one of a tune.
    """
    lexemes: list[Lexeme] = []
    offset = 0
    for line, end in lines(text):
        context = lex_line(line, context, offset, lexemes)
        offset += len(line)
        if end:
            lexemes.append((Kind.NEWLINE, end, offset))
            offset += len(end)
    return lexemes


def kind_of_line(line: str, context: Context) -> tuple[Kind, Context]:
    """What a line is as a whole, and where the next line stands.

    Returns:
        DIRECTIVE, COMMENT, SPACE (also for an empty line), FIELD, MUSIC or TEXT; the context after.
    """
    if context in _AFTER_BLOCK:
        if _END_BLOCK.match(line):
            return Kind.DIRECTIVE, _AFTER_BLOCK[context]
        return Kind.TEXT, context
    if line[:1] == "%":
        if line[1:2] != "%":
            return Kind.COMMENT, context
        return Kind.DIRECTIVE, _BLOCKS[context] if _BEGIN_BLOCK.match(line) else context
    if not line or line.isspace():
        return Kind.SPACE, Context.FILE
    if line[1:2] == ":":
        name = line[0]
        # `G:|` is a note before a repeat, but `w:|` a line of lyrics that begins with a bar.
        before_repeat = line[2:3] in ("|", ":")
        if name == "X" and not before_repeat:
            context = Context.HEADER
        if context is not Context.BODY:
            if name in _FIELDS:
                return (
                    Kind.FIELD,
                    Context.BODY if name == "K" and context is Context.HEADER else context,
                )
        elif name in _LOWER_FIELDS or (name in ascii_uppercase and not before_repeat):
            return Kind.FIELD, context
    return Kind.MUSIC if context is Context.BODY else Kind.TEXT, context


def lex_line(line: str, context: Context, offset: int, lexemes: list[Lexeme]) -> Context:
    """Append one line's lexemes (its end not included) and say where the next line stands.

    Args:
        line: the line without its end.
        context: where it stands.
        offset: of its first character.
        lexemes: the list they are appended to.
    """
    kind, context = kind_of_line(line, context)
    if kind is Kind.MUSIC:
        lexemes.extend(_kinds.lex(line, offset))
    elif kind is Kind.FIELD:
        _lex_field(line, offset, lexemes)
    elif line:
        lexemes.append((kind, line, offset))
    return context


def field_value(line: str) -> str:
    """A field's value: what stands after the colon, without comment and spaces around it."""
    if "%" in line:
        line = line[: _comment(line)]
    return line[2:].strip()


def _comment(line: str) -> int:
    """Where a field's comment begins: at a % that is not escaped, in free text too (2.2.5)."""
    at = line.find("%", 2)
    while at > 2 and line[at - 1] == "\\":
        at = line.find("%", at + 1)
    return at if at >= 0 else len(line)


def _lex_field(line: str, offset: int, lexemes: list[Lexeme]) -> None:
    end = _comment(line)
    value = field_value(line)
    start = line.index(value, 2) if value else end
    for kind, text in (
        (Kind.FIELD, line[:2]),
        (Kind.SPACE, line[2:start]),
        (Kind.VALUE, value),
        (Kind.SPACE, line[start + len(value) : end]),
        (Kind.COMMENT, line[end:]),
    ):
        if text:
            lexemes.append((kind, text, offset))
            offset += len(text)
