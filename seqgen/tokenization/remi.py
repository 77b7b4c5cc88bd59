"""The `remi` scheme: one token an event of a MIDI file, spelled as in `seqgen.music.remi`.

The vocabulary is the same for every corpus: no file has a word that it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["split", "vocabulary"]


def split(text: str) -> Iterable[str]:
    """The words of some events, one a line, each with its line end."""
    return text.splitlines(keepends=True)


def vocabulary(_texts: Iterable[str]) -> list[str]:
    """Every word there is."""
    from seqgen.music.remi.words import WORDS

    return [f"{word}\n" for word in WORDS]
