"""Options against copies of the corpus: ``--novel``, ``--max-shared`` and ``--corpus``."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Against", "MaxShared", "Novel"]

NOVELTY = "Novelty"

Novel = Annotated[
    bool,
    typer.Option(
        "--novel",
        help="Draw again what copies what the model has learnt from, in any key.",
        rich_help_panel=NOVELTY,
    ),
]
MaxShared = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Successive notes, or characters, that are no copy yet.",
        show_default="32 notes, 30 characters",
        rich_help_panel=NOVELTY,
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus",
        metavar="FILE",
        help="Compare with this instead of the index in the model file. Repeatable.",
        rich_help_panel=NOVELTY,
    ),
]
