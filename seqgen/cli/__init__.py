"""The command line: one file a command, each parsing, calling one function and printing.

Nothing heavy is imported when a command's module loads; what a command needs is imported inside its
function, so that ``seqgen --help`` costs no more than Typer does.
"""
