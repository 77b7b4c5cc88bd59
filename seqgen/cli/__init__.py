"""The command line: one file a command, each parsing, calling one function and printing.

Nothing heavy is imported when a command's module loads; what a command needs is imported inside its
function, so that its help costs no more than Typer does. The modules themselves are loaded when
their command is asked for; see ``seqgen.cli.commands``.
"""

from seqgen import __version__

__all__ = ["VERSION"]

VERSION = f"seqgen {__version__}"  # what --version prints
