"""``python -m seqgen``: the command line."""

from seqgen.cli.main import main

if __name__ == "__main__":
    main()
