"""The `char` scheme: one token a character."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["split", "vocabulary"]


def split(text: str) -> Iterable[str]:
    """The characters of a text."""
    return text


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Every character of the texts, in code-point order."""
    seen: set[str] = set()
    for text in texts:
        seen.update(text)
    return sorted(seen)
