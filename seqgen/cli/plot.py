"""``seqgen plot``: the curves of runs as a picture."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.cli.completion import models
from seqgen.cli.console import (
    Debug,
    Quiet,
    printable,
    put,
    remark,
)
from seqgen.cli.models import CHECKPOINTS, find
from seqgen.errors import InputError, OutputError, UsageError
from seqgen.files import require_folder, write_atomically

if TYPE_CHECKING:
    from seqgen.training.curves import PlottedRun

__all__ = ["plot"]


class By(enum.StrEnum):
    step = "step"
    time = "time"


def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Models or their .metrics.jsonl files, or names in checkpoints/.",
            show_default="the newest there",
            autocompletion=models,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The picture, .svg or .png; - writes SVG to stdout.",
            show_default="<model>.svg beside it",
        ),
    ] = None,
    by: Annotated[By, typer.Option(help="What the horizontal axis shows.")] = By.step,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    _quiet: Quiet = False,
    _debug: Debug = False,
) -> None:
    """Draw how runs went: losses, learning rate, gradient norm and speed; several are compared.

    Examples: seqgen plot tunes; seqgen plot lstm transformer -o both.png --by time
    """
    from seqgen.training.curves import FORMS, draw

    form = "svg" if output in (None, "-") else Path(str(output)).suffix.lower().lstrip(".")
    if form not in FORMS:
        raise UsageError(f"{output}: a picture's name ends in .svg or .png")
    models = [_model_of(run) for run in runs] if runs else [find(None)]
    if output is None and len(models) > 1:
        raise UsageError("there are several runs: name their picture with -o")
    path = Path(output) if output is not None else models[0].with_suffix(".svg")
    if output != "-" and path.exists() and not force:
        raise OutputError(f"{path} exists; --force replaces it, -o names another file")
    distinct = len({model.stem for model in models}) == len(models)
    names = [printable(model.stem if distinct else str(model)) for model in models]
    picture = draw([_read(m, n) for m, n in zip(models, names, strict=True)], form, by.value)
    if output == "-":
        put(picture)
        return
    require_folder(path)
    write_atomically(path, picture)
    if output is None:
        remark(f"The picture is {path}")


def _model_of(run: str) -> Path:
    """The model file of a run, which may still be to be written."""
    from seqgen.checkpoint import SUFFIX
    from seqgen.training import metrics

    for path in (Path(run), CHECKPOINTS / f"{run}{SUFFIX}"):
        if path.name.endswith(metrics.SUFFIX):
            return path.with_name(path.name.removesuffix(metrics.SUFFIX) + SUFFIX)
        if path.is_file() or (path.suffix == SUFFIX and metrics.metrics_path(path).is_file()):
            return path
    return find(run)


def _read(model: Path, name: str) -> PlottedRun:
    from seqgen import checkpoint
    from seqgen.training.curves import PlottedRun
    from seqgen.training.metrics import metrics_path, read_curves

    path = metrics_path(model)
    if not path.exists():
        raise InputError(
            "no such file; training writes it beside its model, and it is to be moved with it",
            path=path,
        )
    curves = read_curves(path)
    # A run that has not saved yet has curves, but no recipe to be looked up.
    recipe = checkpoint.load(model).card.recipe if model.exists() else {}
    limit = recipe.get("clip_norm")
    return PlottedRun(name, curves, limit if isinstance(limit, (int, float)) else None)
