"""Options against copies of the corpus: ``--novel``, ``--max-shared`` and ``--corpus``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint

__all__ = ["Against", "MaxShared", "Novel", "copying"]

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


def copying(
    novel: bool, longest: int | None, corpus: list[str] | None, saved: Checkpoint
) -> Callable[[str], bool] | None:
    """What tells copies; None if that is not asked for.

    Raises:
        UsageError: an option is without --novel, the corpus is of another kind, or the model file
            has no index that tells this.
        InputError: the corpus can't be read.
    """
    if not novel:
        if longest is not None or corpus:
            raise UsageError("--max-shared and --corpus say what a copy is: add --novel")
        return None
    from seqgen.sampling.novelty import USUAL, Indexed, Novelty

    kind = saved.card.kind
    if not corpus:
        return Indexed(saved.index, kind, longest).copies
    from seqgen.corpus import readers

    found = readers.load(corpus)
    if found.kind != kind:
        raise UsageError(f"--corpus holds {found.kind}, and the model writes {kind}")
    texts = ("".join(document.blocks()) for document in found.documents)
    return Novelty(texts, kind, longest or USUAL.get(kind, 1)).copies
