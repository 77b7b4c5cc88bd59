"""Naming the characters that a model's vocabulary lacks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from seqgen.cli.console import remark

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint

__all__ = ["name_unknown", "spelled"]

SHOWN = 10


def spelled(name: str, characters: Counter[str]) -> str:
    """A line that says which they are.

    Args:
        name: of the model.
        characters: how often each came.
    """
    most = characters.most_common(SHOWN)
    each = ", ".join(f"{_visible(character)} ({count:,})" for character, count in most)
    total, rest = characters.total(), len(characters) - len(most)
    others = f" and {rest} other{'s' * (rest != 1)}" if rest else ""
    if total == 1:
        does, what = "counts", "it is spelled in"
    else:
        does, what = "count", "they are spelled in"
    return (
        f"{total:,} character{'s' * (total != 1)} that {name} has not learnt {does} as the half "
        f"bytes {what}: {each}{others}"
    )


def name_unknown(saved: Checkpoint, prompt: str) -> None:
    """Say which of a prompt's characters the model can only spell."""
    if not prompt or saved.card.kind == "midi":
        return
    from seqgen.sampling.likelihood import spelled_in

    tokenizer = saved.card.tokenizer
    if found := Counter(spelled_in(tokenizer, tokenizer.encode(prompt))):
        remark(spelled(saved.path.stem, found))


def _visible(character: str) -> str:
    return character if character.isprintable() and character != " " else f"U+{ord(character):04X}"
