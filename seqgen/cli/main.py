"""The application: its commands, its global options, and how errors become exit statuses."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from seqgen import __version__
from seqgen.cli import check, convert, corpus, demo, sample, show, train
from seqgen.cli.console import Debug, Verbose, debugging, printable, say
from seqgen.errors import SeqgenError

__all__ = ["app", "main"]

app = typer.Typer(
    name="seqgen",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command(epilog=train.EXAMPLES)(train.train)
app.command()(sample.sample)
app.command()(show.show)
app.command()(convert.convert)
app.command()(check.check)
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
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn to write music and text: train on tunes or prose, then sample new ones."""


def main() -> None:
    """Run the command line; never returns."""
    # When the reader of a pipe has had enough (`| head`), end at once and quietly, as cat does.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except SeqgenError as error:
        if debugging():
            raise
        say(printable(f"seqgen: {error}"))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        if debugging():
            raise
        sys.exit(130)
