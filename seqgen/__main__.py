"""Where the program begins: ``seqgen``, or ``python -m seqgen``."""

import gc
import sys

__all__ = ["main"]

# What is loaded is not garbage: to look for some among it takes a twentieth of a short command.
COLLECT_AFTER = 200_000  # objects


def main() -> None:
    """Run the command line; never returns."""
    try:
        if sys.argv[1:] in (["--version"], ["-V"]):
            _print_version()
        gc.set_threshold(COLLECT_AFTER)
        from seqgen.cli.main import main as run  # it takes a moment, in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # nor when all ends, where Python would look once more: a tenth


def _print_version() -> None:
    """Print the version and end, without what it takes to understand any other arguments.

    Returns if there is no stdout that takes it: the command line has to say so.
    """
    from seqgen.cli import VERSION

    if sys.stdout is None:  # it is closed
        return
    try:
        print(VERSION, flush=True)  # noqa: T201 -- this is what was asked for
    except OSError:  # it is full, or nobody reads
        return
    sys.exit()


if __name__ == "__main__":
    main()
