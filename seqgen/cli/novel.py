"""Options against copies of the corpus: ``--novel`` and ``--corpus``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.sampling.novelty import Novelty

__all__ = ["Against", "Novel", "novelty"]

NOVELTY = "Novelty"

Novel = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Draw again what shares more than N successive notes, or characters, with --corpus.",
        rich_help_panel=NOVELTY,
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus",
        metavar="FILE",
        help="What the model has learnt from. Repeatable.",
        rich_help_panel=NOVELTY,
    ),
]


def novelty(longest: int | None, corpus: list[str] | None, kind: str) -> Novelty | None:
    """What tells copies; None if that is not asked for.

    Raises:
        UsageError: one option is without the other, or the corpus is of another kind.
        InputError: the corpus can't be read.
    """
    if longest is None and not corpus:
        return None
    if longest is None or not corpus:
        raise UsageError("--novel N says how much may be shared, --corpus FILE with what: add both")
    from seqgen.corpus import readers
    from seqgen.sampling.novelty import Novelty

    found = readers.load(corpus)
    if found.kind != kind:
        raise UsageError(f"--corpus holds {found.kind}, and the model writes {kind}")
    texts = ("".join(document.blocks()) for document in found.documents)
    return Novelty(texts, kind, longest)
