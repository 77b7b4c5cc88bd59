"""The `char` scheme: one token a character, through a table of all code points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "vocabulary"]

_CODE_POINTS = sys.maxunicode + 1


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Every character of the texts, in code-point order."""
    seen = np.zeros(_CODE_POINTS, bool)
    for text in texts:
        seen[_code_points(text)] = True
    return [chr(point) for point in np.flatnonzero(seen)]


class Table:
    """Characters to ids.

    Args:
        ids: of each piece of a vocabulary.
        spell: the ids of a character that it lacks.
    """

    def __init__(self, ids: Mapping[str, int], spell: Callable[[str], list[int]]) -> None:
        self._ids = np.full(_CODE_POINTS, -1, np.int32)
        self._spell = spell
        for piece, token in ids.items():
            if len(piece) == 1:
                self._ids[ord(piece)] = token

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of a text: (tokens,) int32."""
        ids = self._ids[_code_points(text)]
        unknown = np.flatnonzero(ids < 0)
        if len(unknown) == 0:
            return ids
        spelled = [self._spell(text[at]) for at in unknown.tolist()]
        counts = np.ones(len(ids), np.int64)
        counts[unknown] = [len(tokens) for tokens in spelled]
        ids = np.repeat(ids, counts)
        ids[ids < 0] = [token for tokens in spelled for token in tokens]
        return ids


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
