"""Shows the tunes of a file: as pictures where the terminal can, else as coloured ABC."""

from __future__ import annotations

import sys
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from seqgen.cli.console import console, printable, say
from seqgen.errors import InputError, OutputError, SeqgenError
from seqgen.files import STDIN, decode_text, read_bytes

if TYPE_CHECKING:
    from rich.text import Text

    from seqgen.music.abc.parser import ParsedTune
    from seqgen.music.score import Tune

__all__ = ["show_tunes", "summary"]

_STYLES = {
    "pitch": "bold", "length": "cyan", "rest": "dim", "bar_rest": "dim", "bar": "yellow",
    "ending": "yellow", "tuplet": "magenta", "broken": "magenta", "tie": "magenta",
    "slur_open": "magenta", "slur_close": "magenta", "chord_symbol": "green",
    "annotation": "green", "decoration": "blue", "shorthand": "blue", "grace_open": "blue",
    "grace_close": "blue", "inline_field": "yellow", "field": "bold yellow", "comment": "dim",
    "directive": "dim", "unknown": "bold red",
}  # fmt: skip
_MODES = {
    "maj": "major", "min": "minor", "dor": "dorian", "phr": "phrygian", "lyd": "lydian",
    "mix": "mixolydian", "loc": "locrian",
}  # fmt: skip


def show_tunes(path: str | PathLike[str], *, encoding: str = "utf-8") -> None:
    """Print every tune of a file: a summary in a line, then its score.

    Args:
        path: a file in any form that tunes are read from; ``-`` is standard input.
    Raises:
        InputError: it can't be read, or holds no tune.
        SeqgenError: some tunes have errors; the others were shown.
    """
    from seqgen.cli.graphics import PROTOCOLS, protocol
    from seqgen.music import engraving
    from seqgen.music.abc.lexer import lines
    from seqgen.music.abc.writer import write_tune
    from seqgen.music.forms import READERS, form_of_content

    data = read_bytes(path)
    form = form_of_content(data) if str(path) == STDIN else Path(path).suffix.lower()
    if form not in READERS:
        raise InputError(f"can't show '{form}'; it can be one of {', '.join(READERS)}", path=path)
    source: list[str] | None = None
    if form in (".abc", ".txt"):
        text = decode_text(data, path=path, encoding=encoding)
        source = [line for line, _ in lines(text)]
    pictures = protocol() if engraving.available() else None
    out = console(highlight=False, soft_wrap=True)
    shown = failed = 0
    for parsed in READERS[form](data, str(path), encoding):
        if shown + failed:
            out.print()
        if parsed.tune is None:
            failed += 1
            _say_error(parsed, path)
            continue
        shown += 1
        out.print(printable(summary(parsed.tune)), style="bold", markup=False)
        if pictures is not None and _show_picture(parsed.tune, PROTOCOLS[pictures]):
            continue
        text = write_tune(parsed.tune) if source is None else _source_of(parsed, source)
        out.print(_coloured(text))
    if not shown + failed:
        raise InputError("holds no tune; a tune begins with a line X:1", path=path)
    if failed:
        raise SeqgenError(f"{failed} of {shown + failed} tunes have errors")


def _say_error(parsed: ParsedTune, path: str | PathLike[str]) -> None:
    error = parsed.error
    if error is not None:
        place = {"line": error.line, "column": error.column}
        say(f"seqgen: {InputError(error.message, path=path, **place)}")


def _show_picture(tune: Tune, encode: Callable[[bytes], bytes]) -> bool:
    """Print the score as a picture; False if it can't be engraved."""
    from seqgen.music.engraving import write_png

    try:
        picture = write_png(tune, width=1200)
    except OutputError as error:
        say(f"seqgen: {error}")
        return False
    sys.stdout.flush()
    sys.stdout.buffer.write(encode(picture))
    sys.stdout.buffer.flush()
    return True


def summary(tune: Tune) -> str:
    """A tune in a line: number, title, rhythm, metre, key, bars, voices and how long it lasts."""
    from seqgen.music.audio import onsets_in_seconds
    from seqgen.music.performance import perform

    performance = perform(tune)
    seconds = round(float(onsets_in_seconds(performance, [performance.duration])[0]))
    bars = sum(bool(bar.events) for bar in tune.voices[0].bars)
    rhythm = next((each.value for each in tune.fields if each.name == "R" and each.value), "")
    key = f"{tune.key.tonic or 'no key'} {_MODES.get(tune.key.mode, '')}".strip()
    parts = [
        rhythm,
        f"{tune.meter}" if tune.meter.beats else "free metre",
        key,
        f"{bars} bar{'s' * (bars != 1)}",
    ]
    if len(tune.voices) > 1:
        parts.append(f"{len(tune.voices)} voices")
    parts.append(f"{seconds // 60}:{seconds % 60:02d}")
    return f"{tune.number}. {tune.title}: " + ", ".join(part for part in parts if part)


def _source_of(parsed: ParsedTune, source: list[str]) -> str:
    """A tune's own lines, from its ``X:`` to the empty line that ends it."""
    found = []
    for line in source[parsed.line - 1 :]:
        if not line.strip():
            break
        found.append(line)
    return "\n".join(found) + "\n"


def _coloured(text: str) -> Text:
    from rich.text import Text

    from seqgen.music.abc.lexer import Context, Kind, lex

    coloured = Text(end="")
    for kind, piece, _ in lex(text, Context.FILE):
        style = _STYLES.get(kind.value, "")
        if kind is Kind.VALUE:
            style = "italic"
        coloured.append(printable(piece), style=style)
    return coloured
