"""Typer's commands, without what takes it long: Pydantic for values, Markdown for help pages."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from seqgen.cli.pages import load_pages
from seqgen.cli.settings import blamed
from seqgen.cli.values import read_plainly
from seqgen.errors import SeqgenError

__all__ = ["Command", "Subcommands"]


class Command(TyperCommand):
    """One command; the lines of its help are as long as the terminal is wide."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"help": _flowing(options.get("help"))})

    def get_params(self, ctx: Any) -> list[Any]:
        return [read_plainly(each) for each in super().get_params(ctx)]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SeqgenError as error:
            told = blamed(ctx, error)
            if told is None:
                raise
            raise told from error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        load_pages()
        super().format_help(ctx, formatter)


class Subcommands(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [read_plainly(each) for each in super().get_params(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        load_pages()
        super().format_help(ctx, formatter)


def _flowing(text: str | None) -> str | None:
    """A text without the line breaks of its source; paragraphs that are indented stay."""
    if not text:
        return text
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        each if each.startswith(" ") else " ".join(each.split()) for each in paragraphs
    )
