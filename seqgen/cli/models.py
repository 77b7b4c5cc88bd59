"""Finding the model file a user means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.completion import CHECKPOINTS, models
from seqgen.errors import CheckpointError

__all__ = ["CHECKPOINTS", "MODEL_VARIABLE", "Model", "find"]

MODEL_VARIABLE = "SEQGEN_MODEL"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PATH|NAME",
        envvar=MODEL_VARIABLE,
        autocompletion=models,
        help="A model file, or a name in checkpoints/.",
        show_default="the newest in checkpoints/",
    ),
]


def find(name: str | None) -> Path:
    """The model file for ``-m NAME``: a path, a name in checkpoints/, or the newest there.

    Raises:
        CheckpointError: there is none; the nearest names are offered.
    """
    from seqgen.checkpoint import SUFFIX, newest

    if name is None:
        return newest(CHECKPOINTS)
    path = Path(name)
    named = CHECKPOINTS / f"{name}{SUFFIX}"
    if name and path.is_dir() and not named.is_file():
        raise CheckpointError(f"{name}: is a folder; name a model file in it")
    if path.is_file() or not named.is_file():
        if not name or not path.exists():
            import difflib

            names = [p.stem for p in CHECKPOINTS.glob(f"*{SUFFIX}")]
            near = difflib.get_close_matches(path.stem, names, n=3)
            hint = f"; there is {', '.join(near)}" if near else "; train one with `seqgen train`"
            raise CheckpointError(f"{name or repr(name)}: no such model{hint}")
        return path
    return named
