"""Voice overlays of several bars, written out bar by bar.

The standard (7.4) lets each ``&`` set "the time point of the music back by one bar line", so that
``&&`` overlays two bars; abcm2ps and abc2midi also read ``(& first layer & second layer &)``, where
bar lines stand in every layer. Both are turned into what they mean, one ``&`` for each layer of
each bar, before the music is read: ``(& A|B & c|d &)`` becomes ``A & c|B & d``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from seqgen.music.abc.bars import Report
from seqgen.music.abc.lexer import Kind, Lexeme
from seqgen.music.abc.macros import expand_line
from seqgen.music.abc.music_line import lex_runs
from seqgen.music.diagnostics import Severity

__all__ = ["bar_by_bar"]

_HELD = frozenset(
    {Kind.NOTES, Kind.REST, Kind.BAR_REST, Kind.CHORD_OPEN, Kind.SPACER, Kind.INLINE_FIELD,
     Kind.DECORATION, Kind.SHORTHAND, Kind.CHORD_SYMBOL, Kind.ANNOTATION}
)  # fmt: skip
_SILENT = frozenset({Kind.SPACE, Kind.NEWLINE, Kind.COMMENT, Kind.CONTINUATION, Kind.IGNORED})
_ENDS = frozenset({Kind.FIELD, Kind.DIRECTIVE, Kind.TEXT})


@dataclass(slots=True)
class _Bar:
    """The lexemes of a bar, of the layers over it, and its bar line."""

    lexemes: list[Lexeme] = field(default_factory=list)
    layers: list[list[Lexeme]] = field(default_factory=list)
    line: Lexeme | None = None

    @property
    def holds_any(self) -> bool:
        return any(kind in _HELD for kind, _, _ in self.lexemes)


def bar_by_bar(
    lines: list[Lexeme], macros: Mapping[str, str], report: Report
) -> dict[int, list[Lexeme]]:
    """The lexemes of a tune's lines of music, by their indices, with overlays of one bar only.

    Lines that are laid over others have none. The result is empty where there are no longer
    overlays, as in nearly every tune.
    """
    if "&" not in "".join(map(itemgetter(1), lines)):
        return {}
    lexemes: list[Lexeme] = []
    for index, line in enumerate(lines):
        kind, text, offset = line
        if kind is not Kind.MUSIC:
            lexemes.append(line)
        else:
            lexemes += expand_line(text, offset, macros) if macros else lex_runs(text, offset)
        lexemes.append((Kind.NEWLINE, "", index))  # which line ends, not where
    if not any(
        kind is Kind.OVERLAY and _is_long(lexemes, at) for at, (kind, _, _) in enumerate(lexemes)
    ):
        return {}
    found: dict[int, list[Lexeme]] = {
        index: [] for index, (kind, _, _) in enumerate(lines) if kind is Kind.MUSIC
    }
    line_lexemes: list[Lexeme] = []
    for lexeme in _Rewriter(lexemes, report).rewrite():
        if lexeme[0] is Kind.NEWLINE:
            found[lexeme[2]] = line_lexemes
            line_lexemes = []
        else:
            line_lexemes.append(lexeme)
    return found


def _is_long(lexemes: list[Lexeme], at: int) -> bool:
    """Whether an overlay spans more than its own bar."""
    if len(lexemes[at][1]) > 1 or _opens(lexemes, at) or _closes(lexemes, at):
        return True
    before = at - 1
    while before >= 0 and lexemes[before][0] in _SILENT:
        before -= 1
    return before >= 0 and lexemes[before][0] is Kind.BAR


def _opens(lexemes: list[Lexeme], at: int) -> bool:
    """Whether the ``&`` at an index is that of ``(&``."""
    kind, text, offset = lexemes[at - 1] if at else (Kind.TEXT, "", 0)
    return kind is Kind.SLUR_OPEN and text == "(" and offset + 1 == lexemes[at][2]


def _closes(lexemes: list[Lexeme], at: int) -> bool:
    """Whether the ``&`` at an index is that of ``&)``."""
    if at + 1 >= len(lexemes):
        return False
    kind, _, offset = lexemes[at + 1]
    return kind is Kind.SLUR_CLOSE and lexemes[at][2] + len(lexemes[at][1]) == offset


class _Rewriter:
    """Goes through a tune's lexemes once; ``bars`` are those since the last field."""

    def __init__(self, lexemes: list[Lexeme], report: Report) -> None:
        self._lexemes = lexemes
        self._report = report
        self._written: list[Lexeme] = []
        self._bars = [_Bar()]
        self._unclosed = 0  # up to here nothing closes a (&

    def rewrite(self) -> list[Lexeme]:
        lexemes = self._lexemes
        index = 0
        while index < len(lexemes):
            kind = lexemes[index][0]
            if kind is Kind.SLUR_OPEN and index + 1 < len(lexemes) and (
                lexemes[index + 1][0] is Kind.OVERLAY and _opens(lexemes, index + 1)
            ):  # fmt: skip
                index = self._group(index + 2)
            elif kind is Kind.OVERLAY:
                index = self._back(index)
            elif kind in _ENDS:
                self._flush()
                while index < len(lexemes) and lexemes[index][0] is not Kind.NEWLINE:
                    self._written.append(lexemes[index])
                    index += 1
            else:
                self._put(lexemes[index])
                index += 1
        self._flush()
        return self._written

    def _put(self, lexeme: Lexeme) -> None:
        if lexeme[0] is Kind.BAR:
            self._bars[-1].line = lexeme
            self._bars.append(_Bar())
        else:
            self._bars[-1].lexemes.append(lexeme)

    def _flush(self) -> None:
        """Write the bars that nothing can be laid over any more."""
        written = self._written
        for bar in self._bars:
            written += bar.lexemes
            for layer in bar.layers:
                offset = layer[0][2]
                written.append((Kind.OVERLAY, "&", offset))
                written += layer
            if bar.line is not None:
                written.append(bar.line)
        self._bars = [_Bar()]

    def _warn(self, message: str, at: int) -> None:
        _, text, offset = self._lexemes[at]
        self._report("overlay", Severity.WARNING, message, offset, len(text))

    def _layer(self, index: int, bars: int) -> tuple[list[list[Lexeme]], Lexeme | None, int]:
        """A layer's bars from an index on, its last bar line, and the index after it.

        It ends after so many bars, or before the next ``&`` or field.
        """
        found: list[list[Lexeme]] = [[]]
        line: Lexeme | None = None
        lexemes = self._lexemes
        while index < len(lexemes):
            kind = lexemes[index][0]
            if kind is Kind.OVERLAY or kind in _ENDS:
                break
            if kind is Kind.BAR:
                line = lexemes[index]
                if len(found) == bars:
                    return found, line, index + 1
                found.append([])
            elif kind not in (Kind.NEWLINE, Kind.COMMENT, Kind.CONTINUATION):
                found[-1].append(lexemes[index])
            index += 1
        if len(found) > 1 and all(kind in _SILENT for kind, _, _ in found[-1]):
            found.pop()
        else:
            line = None
        return found, line, index

    def _lay(self, bars: list[_Bar], layer: list[list[Lexeme]]) -> None:
        """Lay one bar of a layer over each bar; what there is too much goes over the last."""
        for at, lexemes in enumerate(layer):
            bar = bars[min(at, len(bars) - 1)]
            if at >= len(bars) and bar.layers:
                bar.layers[-1] += lexemes
            elif lexemes:
                bar.layers.append(lexemes)

    def _back(self, index: int) -> int:
        """Read ``&``, or several: so many bar lines back from here."""
        times = len(self._lexemes[index][1])
        if _closes(self._lexemes, index):
            self._warn("this &) closes nothing; an overlay of several bars begins with (&", index)
            return index + 2
        current = self._bars[-1].holds_any
        before = len(self._bars) - 1 + current
        if times > before:
            self._warn(
                f"this {'&' * min(times, 9)} goes back over more bar lines than the {before} "
                "before it; write each bar's layers in it, as in CDEF & E4 |",
                index,
            )
            times = 1
        if not before:
            return index + 1
        bars = self._bars[before - times : before]
        layer, line, index = self._layer(index + 1, times)
        self._lay(bars, layer)
        if line is not None and current:
            self._put(line)
        elif line is not None and bars[-1].line is not None and bars[-1].line[1].strip() == "|":
            bars[-1].line = line
        return index

    def _group(self, index: int) -> int:
        """Read ``(& … & … &)`` from after its beginning."""
        lexemes = self._lexemes
        opening = index - 1
        end = max(index, self._unclosed)
        while end < len(lexemes) and lexemes[end][0] not in _ENDS:
            if lexemes[end][0] is Kind.OVERLAY and _closes(lexemes, end):
                break
            end += 1
        else:
            self._unclosed = end
            self._warn(
                "this (& is not closed; expected &) after the last layer and before the next "
                "field, or write each bar's layers in it, as in CDEF & E4 |",
                opening,
            )
            return index
        if self._bars[-1].holds_any:
            self._warn(
                "the layers of (& begin with its bar; write (& at the beginning of the bar, and "
                "rests x in the layers where they are silent",
                opening,
            )
        first = len(self._bars) - 1
        while lexemes[index][0] is not Kind.OVERLAY:
            self._put(lexemes[index])
            index += 1
        under = self._bars[first:]
        if len(under) > 1 and not under[-1].holds_any:
            under.pop()
        while index < end:
            layer, _, after = self._layer(index + 1, len(lexemes))
            if len(layer) != len(under):
                self._warn(
                    f"this layer has {len(layer)} bars, the first {len(under)}; every layer "
                    "between (& and &) should have the same bar lines",
                    index,
                )
            self._lay(under, layer)
            index = after
        # What follows in the same bar goes on from the first layer.
        return end + 2
