"""Where the program begins: ``seqgen``, or ``python -m seqgen``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; never returns."""
    try:
        from seqgen.cli.main import main as run  # it takes a moment, in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
