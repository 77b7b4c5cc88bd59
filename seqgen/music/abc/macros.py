"""Expands ``m:`` macros in a line of music (10.3)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from seqgen.music.abc.lexer import Context, Kind, Lexeme, kind_of_line
from seqgen.music.abc.music_line import lex_runs, pieces_of

__all__ = ["expand_line"]

_MAX_EXPANSION = 64
_NOTES = "CDEFGABcdefgab"


def expand_line(source: str, start: int, macros: Mapping[str, str]) -> list[Lexeme]:
    """A line's lexemes with macros expanded; those of an expansion stand where its target stood.

    The line begins at ``start``.

    A target with the letter ``n`` holds for any note, and ``h`` to ``z`` in its replacement for the
    notes around it: ``n`` the note itself, ``o`` the next higher, ``m`` the next lower. An
    expansion is not expanded again, and is bounded at 64 times the line.
    """
    pattern = re.compile(
        "|".join(
            re.escape(target).replace("n", "(?:[A-Ga-g][,']*)") if _is_transposing(target)
            else re.escape(target)
            for target in sorted(macros, key=len, reverse=True)
        )
    )  # fmt: skip
    pieces: list[str] = []
    # Where each piece begins in the expanded line, and in the source line.
    begins, origins, steps = [0], [0], [1]
    length = position = 0
    limit = max(4096, _MAX_EXPANSION * len(source))
    for match in pattern.finditer(source):
        replacement = _replacement(match[0], macros)
        for text, origin, step in (
            (source[position : match.start()], position, 1),
            (replacement, match.start(), 0),
        ):
            pieces.append(text)
            begins.append(length)
            origins.append(origin)
            steps.append(step)
            length += len(text)
        position = match.end()
        if length > limit:
            break
    if not pieces:
        return lex_runs(source, start)
    pieces.append(source[position:])
    begins.append(length)
    origins.append(position)
    steps.append(1)
    moved: list[Lexeme] = []
    for kind, text, offset in _lex("".join(pieces)):
        index = bisect_right(begins, offset) - 1
        at = origins[index] + steps[index] * (offset - begins[index])
        moved.append((kind, text, start + at))
    return moved


def _lex(line: str) -> Iterator[Lexeme]:
    """The lexemes of an expanded line, with each note apart, since each has a place of its own."""
    if kind_of_line(line, Context.BODY)[0] is not Kind.MUSIC:
        return
    for kind, text, offset in lex_runs(line, 0):
        if kind is not Kind.NOTES:
            yield kind, text, offset
            continue
        for piece, at, apart in pieces_of(text):
            if apart:
                yield Kind.SPACE, " ", offset + at - 1
            yield Kind.BROKEN if piece[0] in "<>" else kind, piece, offset + at


def _is_transposing(target: str) -> bool:
    return "n" in target


def _replacement(found: str, macros: Mapping[str, str]) -> str:
    if found in macros:
        return macros[found]
    note = re.search(r"[A-Ga-g][,']*", found)
    if note is None:
        return found
    target = found[: note.start()] + "n" + found[note.end() :]
    letter, marks = note[0][0], note[0][1:]
    height = _NOTES.index(letter) + 7 * (marks.count("'") - marks.count(","))

    def transposed(match: re.Match[str]) -> str:
        return _spell(height + ord(match[0]) - ord("n"))

    return re.sub(r"[h-z]", transposed, macros.get(target, found))


def _spell(height: int) -> str:
    octave, step = divmod(height, 7)
    if octave >= 1:
        return _NOTES[step + 7] + "'" * (octave - 1)
    return _NOTES[step] + "," * -octave
