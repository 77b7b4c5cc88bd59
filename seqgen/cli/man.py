"""Manual pages in roff, made from the commands themselves; see man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from seqgen import __version__
from seqgen.cli.commands import EXIT_STATUS
from seqgen.cli.completion import commands
from seqgen.cli.console import Debug, put
from seqgen.errors import UsageError

__all__ = ["man"]


def man(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]...",
            help="Of which; none: of seqgen as a whole.",
            autocompletion=commands,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Write the pages of all commands here instead."),
    ] = None,
    _debug: Debug = False,
) -> None:
    """Print a manual page, as roff: seqgen man sample | man -l -

    A package puts all of them in its place with: seqgen man --dir /usr/local/share/man/man1
    """
    root = context.find_root()
    if folder is not None:
        from seqgen.files import require_folder, write_atomically

        if command:
            raise UsageError("--dir writes the pages of all commands; drop the command")
        for path, inner in _all(root):
            target = folder / ("-".join(path) + ".1")
            require_folder(target)
            write_atomically(target, _page(path, inner).encode())
        return
    wanted = ["seqgen", *(command or ())]
    for path, inner in _all(root):
        if path == wanted:
            put(_page(path, inner))
            return
    raise UsageError(f"there is no command {' '.join(wanted)}")


def _all(context: Any, path: tuple[str, ...] = ("seqgen",)) -> Iterator[tuple[list[str], Any]]:
    """The context of every command, with its name."""
    yield [*path], context
    for name, command in getattr(context.command, "commands", {}).items():
        if not command.hidden:
            inner = type(context)(command, parent=context, info_name=name)
            yield from _all(inner, (*path, name))


def _page(path: list[str], context: Any) -> str:
    command = context.command
    what, *more = _paragraphs(command.help or "")
    summary = what.splitlines()[0].split(". ")[0].rstrip(".:")
    lines = [
        f'.TH {"-".join(path).upper()} 1 "" "seqgen {__version__}" "seqgen"',
        ".SH NAME",
        rf"{_roff('-'.join(path))} \- {_roff(summary[:1].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        rf".B {_roff(' '.join(path))}",
        _roff(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_text([what, *more]),
    ]
    panels: dict[str, list[Any]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            argument = parameter.param_type_name == "argument"
            usual = "Arguments" if argument else "Options"
            panel = getattr(parameter, "rich_help_panel", None)
            panels.setdefault(panel or usual, []).append(parameter)
    for panel, parameters in panels.items():
        records = [record for each in parameters if (record := each.get_help_record(context))]
        if records:
            lines.append(f".SH {_roff(panel.upper())}")
        for names, about in records:
            lines += [".TP", rf".B {_roff(names)}", _roff(" ".join(about.split()))]
    if commands := getattr(command, "commands", None):
        lines.append(".SH COMMANDS")
        for name, inner in commands.items():
            if not inner.hidden:
                about = _paragraphs(inner.help or "")[0].splitlines()[0]
                page = "-".join([*path, name])
                lines += [".TP", rf"\fB{_roff(page)}\fR(1)", _roff(about)]
    examples = _paragraphs(command.epilog or "")
    if examples and examples[0].strip() == "Examples:":
        lines += [".SH EXAMPLES", *_text(f"    {each}" for each in examples[1:])]
    lines += [".SH EXIT STATUS", *_text([EXIT_STATUS])]
    if len(path) > 1:
        lines += [".SH SEE ALSO", rf"\fB{_roff('-'.join(path[:-1]))}\fR(1)"]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    return [each for each in re.split(r"\n\s*\n", text.strip("\n")) if each.strip()]


def _text(paragraphs: Any) -> Iterator[str]:
    """Paragraphs; one that is indented stays as it stands."""
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        if paragraph.startswith(" "):
            yield from (".nf", ".RS 4", *map(_roff, paragraph.strip().splitlines()), ".RE", ".fi")
        else:
            yield _roff(" ".join(paragraph.split()))


def _roff(text: str) -> str:
    r"""A line of plain text, with what roff would act on escaped.

    Help has ``\[`` where Rich would take a word in brackets for a style.
    """
    text = text.strip().replace("\\[", "[").replace("\\", r"\e").replace("-", r"\-")
    text = text.replace("'", r"\(aq").replace("`", r"\(ga").replace("^", r"\(ha")
    text = text.replace("~", r"\(ti").replace('"', r"\(dq")
    return rf"\&{text}" if text.startswith(".") else text
