"""The application: its commands, its global options, and how errors become exit statuses."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import Annotated, Any

import typer

from seqgen.cli import VERSION, settings
from seqgen.cli.commands import EXIT_STATUS, Group
from seqgen.cli.console import Debug, Verbose, debugging, printable, say
from seqgen.errors import SeqgenError
from seqgen.files import reason

__all__ = ["app", "main"]

app = typer.Typer(
    name="seqgen",
    cls=Group,
    no_args_is_help=True,
    epilog=EXIT_STATUS,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
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
    context.default_map = settings.defaults(context)


def main() -> None:
    """Run the command line; never returns."""
    _open_standard_streams()
    # When the reader of a pipe has had enough (`| head`), end at once and quietly, as cat does.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if not sys.warnoptions:
        # What NumPy warns of, weights that overflow, ends in a sentence or does not matter.
        warnings.simplefilter("ignore", RuntimeWarning)
    try:
        # Of usage errors typer would show the arguments as they are, control characters and all.
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        if debugging():
            raise
        status = _report(error)
    except KeyboardInterrupt:
        if debugging():
            raise
        status = 130
    finally:
        # All is done: Ctrl-C now ends the program without a traceback from its last moments.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


def _report(error: Exception) -> int:
    """Say what went wrong in a sentence; returns the exit status."""
    if isinstance(error, SeqgenError):
        say(f"seqgen: {error}")
        return error.exit_status
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        say(f"seqgen: {where}{reason(error)}")
        try:
            sys.stdout.flush()
        except OSError:  # what it can't take must not be tried again when the interpreter ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, MemoryError):
        say("seqgen: there is not enough memory for this")
        return 1
    usage = getattr(error, "exit_code", None)
    if isinstance(usage, int) and hasattr(error, "format_message"):
        from seqgen.cli.pages import load_pages

        shown: Any = error  # of a class of Click's, which Typer has as its own and keeps to itself
        if isinstance(getattr(shown, "message", None), str):
            shown.message = printable(shown.message)
        load_pages().rich_format_error(shown)
        return usage
    kind = type(error).__name__
    say(f"seqgen: this is a fault in seqgen: {kind}: {error}; --debug shows where it happened")
    return 1


def _open_standard_streams() -> None:
    # Where the caller closed one (`2>&-`), the next file opened would take its place, and what is
    # meant for nobody would end up in it.
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
