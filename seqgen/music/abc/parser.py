"""ABC to scores, tune by tune, with every problem of a tune as a diagnostic.

A tune is refused only for what can't be given a meaning; what is merely wrong (a bar that does not
fill its metre, a stray character) is a warning, and the tune is read on as other programs do.
Time and memory are linear in the text, nothing recurses, and the bounds below hold for any input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from string import ascii_letters

from seqgen.errors import InputError
from seqgen.music.abc.header import Defaults, read_header
from seqgen.music.abc.lexer import Context, Kind, Lexeme, kind_of_line, lines
from seqgen.music.abc.music import MusicReader
from seqgen.music.abc.reporter import Reporter
from seqgen.music.diagnostics import Diagnostic, Severity
from seqgen.music.score import Tune

__all__ = ["MAX_LINE", "ParsedTune", "parse", "parse_tune"]

MAX_LINE = 1 << 16
"""Characters of a line; longer ones are no music."""


@dataclass(frozen=True, slots=True)
class ParsedTune:
    """What the parser made of one tune.

    Args:
        number: after ``X:``; title: the first ``T:``, or ``""``.
        line: of its ``X:``, from 1.
        tune: the score; None where an error leaves it without a meaning.
        diagnostics: its problems in the order of the text.
    """

    number: str
    title: str
    line: int
    tune: Tune | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def error(self) -> Diagnostic | None:
        """The first error, for which the tune was refused."""
        errors = (each for each in self.diagnostics if each.severity is Severity.ERROR)
        return next(errors, None)


@dataclass(slots=True)
class _Block:
    """The lines of one tune, or of what stands before the first.

    Args:
        offset: where it begins; line: its first line's number, from 1.
        is_tune: whether an ``X:`` began it.
        lines: each line that is not empty, as one lexeme.
        starts: where each line begins, the empty ones too, and the one after them.
        long_lines: where those begin that are too long.
        end: where the block ends.
    """

    offset: int
    line: int
    is_tune: bool
    lines: list[Lexeme] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    long_lines: list[int] = field(default_factory=list)
    end: int = 0


# A name is found more quickly than an Enum's member.
_HEADER, _BODY, _MUSIC, _FIELD = Context.HEADER, Context.BODY, Kind.MUSIC, Kind.FIELD

# What a line begins with that may be no music; "" is what an empty line begins with.
_MARKS = frozenset({"", "%"})


# Those that neither begin nor end a header.
_PLAIN_FIELDS = frozenset(ascii_letters) - {"K", "X"}


def parse(text: str) -> Iterator[ParsedTune]:
    """Read every tune of a text, one after the other.

    Fields before the first tune (2.2.2) hold for all of them; free text between tunes is skipped.
    """
    defaults = Defaults()
    for block in _blocks(text):
        if block.is_tune:
            yield _parse_block(block, defaults)
        elif block.lines:
            defaults = Defaults.read(block.lines)


def parse_tune(text: str, *, path: str | PathLike[str] | None = None) -> Tune:
    """Read the first tune of a text.

    Raises:
        InputError: there is no tune, or it has an error: its place, and what was expected.
    """
    for parsed in parse(text):
        if parsed.tune is not None:
            return parsed.tune
        error = parsed.error
        if error is not None:
            raise InputError(error.message, path=path, line=error.line, column=error.column)
    raise InputError("holds no tune; a tune begins with a line X:1", path=path)


def _blocks(text: str) -> Iterator[_Block]:
    """The file's header, if any, then each tune from its ``X:`` to the blank line that ends it."""
    context = Context.FILE
    offset, number = 0, 1
    block: _Block | None = _Block(0, 1, False)
    for line, end in lines(text):
        size = len(line)
        if size > MAX_LINE:
            kind = Kind.COMMENT
            if block is not None:
                block.long_lines.append(offset)
        elif (
            context is _BODY and line[:1] not in _MARKS and line[1:2] != ":" and not line.isspace()
        ):
            kind = _MUSIC  # as most lines, which need not be asked about
        elif context is _HEADER and line[1:2] == ":" and line[0] in _PLAIN_FIELDS:
            kind = _FIELD  # as most others
        else:
            kind, context = kind_of_line(line, context)
            begins = kind is _FIELD and line[0] == "X"
            if block is not None and (
                begins or (context is Context.FILE and (block.is_tune or not line.strip()))
            ):
                block.end = offset
                block.starts.append(offset)
                yield block
                block = None
            if begins:
                block = _Block(offset, number, True)
        if block is not None:
            block.starts.append(offset)
            if line:
                block.lines.append((kind, line, offset))
        offset += size + len(end)
        number += 1
    if block is not None:
        block.end = offset
        if text.endswith(("\n", "\r")):
            block.starts.append(offset)
        yield block


def _parse_block(block: _Block, defaults: Defaults) -> ParsedTune:
    reporter = Reporter(block.starts, block.line)
    for offset in block.long_lines:
        reporter.report(
            "line-length",
            Severity.ERROR,
            f"this line is longer than {MAX_LINE} characters; break it in several",
            offset,
            1,
        )
    header = read_header(block.lines, defaults, reporter.report)
    tune = None
    if header.body is not None:
        reader = MusicReader(header, block.offset, block.end, reporter.report)
        voices, words = reader.read(block.lines, header.body)
        tune = header.tune(voices, words, block.offset, block.line)
    return ParsedTune(
        header.number,
        header.titles[0] if header.titles else "",
        block.line,
        None if reporter.refused else tune,
        reporter.sorted(),
    )
