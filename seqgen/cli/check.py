"""``seqgen check``: what is wrong in tunes, as a compiler would say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.cli.completion import files as files_of
from seqgen.cli.console import Debug, Verbose, printable, put, say
from seqgen.cli.options import Encoding
from seqgen.errors import InputError
from seqgen.files import STDIN, read_text

if TYPE_CHECKING:
    from seqgen.music.diagnostics import Diagnostic

__all__ = ["check"]

_WIDTH = 100  # of the source line that is shown


def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="ABC files; - is stdin.", autocompletion=files_of),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line for each problem.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the exit status.")] = False,
    encoding: Encoding = "utf-8",
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Find what is wrong in ABC tunes: every problem with its line, column and cause.

    An error leaves something without a meaning; a warning names a fault that other programs read
    over, such as a bar that does not fill its metre. The exit status is 1 if there is any.

    Examples: seqgen check tunes.abc; seqgen check --json *.abc | jq .message
    """
    from seqgen.music.abc.parser import parse

    tunes = problems = 0
    unreadable = False
    for file in files:
        name = "<stdin>" if file == STDIN else file
        try:
            text = read_text(file, encoding=encoding)
            lines = text.splitlines()
            before = tunes
            for parsed in parse(text):
                tunes += 1
                problems += len(parsed.diagnostics)
                if quiet:
                    continue
                for each in parsed.diagnostics:
                    if as_json:
                        fields = {"file": name, "tune": parsed.number, **each._asdict()}
                        put(json.dumps(fields) + "\n")
                    else:
                        put(printable(_shown(name, each, lines)) + "\n")
            if tunes == before:
                raise InputError("holds no tune; a tune begins with a line X:1", path=file)
        except InputError as error:
            unreadable = True
            say(f"seqgen: {error}")
    if not quiet:
        say(f"{problems} problem{'s' * (problems != 1)} in {tunes} tune{'s' * (tunes != 1)}")
    if problems or unreadable:
        raise typer.Exit(1)


def _shown(name: str, each: Diagnostic, lines: list[str]) -> str:
    """A diagnostic with the line it stands in and a mark under the place."""
    head = f"{name}:{each.line}:{each.column}: {each.severity.value}: {each.message}"
    line = lines[each.line - 1] if each.line <= len(lines) else ""
    start = 0
    if len(line) > _WIDTH:
        start = max(0, min(each.column - _WIDTH // 2, len(line) - _WIDTH))
        line = line[start : start + _WIDTH]
    column = each.column - 1 - start
    # A tab stays a tab, so that the mark stands under its place however wide it is.
    indent = "".join("\t" if character == "\t" else " " for character in line[:column])
    mark = "^" + "~" * (min(each.length, len(line) - column) - 1)
    return f"{head}\n    {line}\n    {indent}{mark}"
