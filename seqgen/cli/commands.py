"""The commands by name: each is listed with its line, and loaded when it is asked for.

``seqgen sample`` so waits for no other command's options to be declared, and ``seqgen --help`` for
those of none.
"""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from seqgen.cli.lean import Command, Subcommands
from seqgen.cli.pages import load_pages

__all__ = ["EXIT_STATUS", "LINES", "Group", "named"]

EXIT_STATUS = (
    "Exit status: 0 when all went well, 1 when something could not be done, 2 when an option can't "
    "be right, 130 after Ctrl-C and 143 after SIGTERM."
)

# As each command's help begins, in the order of `seqgen --help`.
LINES = {
    "demo": "Learn 1,059 tunes that come with seqgen, and write new ones into demo/.",
    "train": "Learn from tunes, text or MIDI, and keep what was learnt in one file.",
    "sample": "Draw new tunes, text or MIDI from a model. All music is valid: it can be played.",
    "replay": "Draw again what `seqgen sample` wrote, from the stamps in it: the same bytes.",
    "score": "Say how likely text or tunes are: a file, or each of its lines or tunes by itself.",
    "show": "Show a model's card, or the tunes of a file.",
    "plot": "Draw how runs went: losses, learning rate, gradient norm and speed; several are "
    "compared.",
    "convert": "Convert tunes between ABC, MIDI, MusicXML, pictures and sound; the suffix of OUT "
    "decides.",
    "play": "Play the tunes of a file, one after the other, on a plucked string.",
    "check": "Find what is wrong in ABC tunes: every problem with its line, column and cause.",
    "config": "Print where the configuration file is, and what it and the environment set.",
    "man": "Print a manual page, as roff: seqgen man sample | man -l -",
    "corpus": "The collections seqgen knows, and what is in a corpus.",
}
MODULES = {"config": "settings"}  # where it is not called as the command is


def named(name: str) -> Any:
    """A command of LINES, made from its module: one of click's, or of its copy in Typer.

    Its module holds the function that bears its name, and what its help ends with as EXAMPLES; or
    ``app``, with commands of its own.
    """
    module = import_module(f"seqgen.cli.{MODULES.get(name, name)}")
    app = getattr(module, "app", None)
    if app is None:
        app, function = typer.Typer(add_completion=False), getattr(module, name)
        # Typer would look these up four times, each time compiling their texts.
        function.__annotations__ = get_type_hints(function, include_extras=True)
        app.command(cls=Command, epilog=getattr(module, "EXAMPLES", None))(function)
    command: Any = get_command(app)
    command.name = name
    return command


class _Commands(UserDict[str, Any]):
    """Every command by its name; which there are is known before any is made."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = named(name)
        return self.data[name]


class Group(Subcommands):
    """The application's commands, of which those that are only listed need not be loaded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"commands": _Commands(dict.fromkeys(LINES))})
        self._options = options

    def _listed(self) -> TyperGroup:
        """The same as this, with commands that have a line and nothing else."""
        lines = {name: TyperCommand(name, help=line) for name, line in LINES.items()}
        listed = TyperGroup(**self._options | {"commands": lines})
        listed.params = self.params
        return listed

    def format_help(self, ctx: Any, formatter: Any) -> None:
        load_pages()
        self._listed().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        listed = ctx.command = self._listed()
        return list(listed.shell_complete(ctx, incomplete))
