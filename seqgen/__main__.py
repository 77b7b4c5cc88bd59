"""Where the program begins: ``seqgen``, or ``python -m seqgen``."""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; never returns."""
    try:
        if sys.argv[1:] in (["--version"], ["-V"]):
            _print_version()
        from seqgen.cli.main import main as run  # it takes a moment, in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The process ends: its memory needn't be searched for what nothing refers to any more,
        # which takes a tenth of the time of a short command.
        gc.freeze()


def _print_version() -> None:
    """Print the version and end, without what it takes to understand any other arguments.

    Returns if there is no stdout that takes it: the command line has to say so.
    """
    from seqgen.cli import VERSION

    try:
        print(VERSION, flush=True)  # noqa: T201 -- this is what was asked for
    except OSError:  # it is full, or nobody reads
        return
    sys.exit()


if __name__ == "__main__":
    main()
