"""The application: its commands, its global options, and how errors become exit statuses."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from seqgen import __version__
from seqgen.cli import convert, corpus
from seqgen.errors import SeqgenError

__all__ = ["app", "main"]

app = typer.Typer(
    name="seqgen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(convert.convert)
app.add_typer(corpus.app, name="corpus")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seqgen {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option(help="On an error, print the traceback too.")] = False,
) -> None:
    """Learn to write music and text: train on tunes or prose, then sample new ones."""
    global _debug  # noqa: PLW0603 -- read by main(), which stands outside Typer's context
    _debug = debug


_debug = False


def main() -> None:
    """Run the command line; never returns."""
    try:
        app()
    except SeqgenError as error:
        if _debug:
            raise
        print(f"seqgen: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        if _debug:
            raise
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the other end has had enough (`| head`): end as SIGPIPE would, quietly.
        # Stdout now leads nowhere, so that the interpreter's last flush can't complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
