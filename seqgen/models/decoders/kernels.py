"""Kernels side by side, laid out in memory for the products that they meet.

One row times a matrix goes at the pace of the memory that the matrix comes from, and is a quarter
faster where each column lies in one piece; several rows are faster where each row does, and begins
on a line of the cache. Either layout is made when a product first asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from seqgen.models.decoders.decoder import FloatArray
from seqgen.models.decoders.operations import LINE, aligned

__all__ = ["Kernels"]

_PIECE = 128  # of a row, of which a kernel has a whole number; compiled code takes so many at once


class Kernels:
    """See the module.

    Args:
        parts: from the left to the right, (rows, columns) each, with the factors of its columns.
        dtype: to compute in.
    Attributes:
        width: columns in all, with some of zeros at the right end.
    """

    def __init__(self, parts: Sequence[tuple[FloatArray, FloatArray]], dtype: DTypeLike) -> None:
        self._parts, self._dtype = parts, np.dtype(dtype)
        columns, step = sum(part.shape[1] for part, _ in parts), _PIECE // self._dtype.itemsize
        self.width = -(-columns // step) * step
        self._by_column: FloatArray | None = None
        self._by_row: FloatArray | None = None

    def over(self, rows: int) -> FloatArray:
        """All as one matrix, for a product of so many rows with it."""
        if rows == 1:
            if self._by_column is None:
                self._by_column = self._filled(aligned((self.width, self._depth), self._dtype).T)
            return self._by_column
        if self._by_row is None:
            self._by_row = self._filled(aligned((self._depth, self.width), self._dtype))
        return self._by_row

    @property
    def _depth(self) -> int:
        return len(self._parts[0][0])

    def _filled(self, matrix: FloatArray) -> FloatArray:
        turned, at = not matrix.flags.c_contiguous, 0
        for part, factors in self._parts:
            columns = part.shape[1]
            # A line of the cache at a time takes half as long where it is turned.
            step = LINE // self._dtype.itemsize if turned else columns
            for begin in range(0, columns, step):
                some = slice(begin, min(begin + step, columns))
                out = matrix[:, at + begin : at + some.stop]
                np.multiply(part[:, some], np.broadcast_to(factors, columns)[some], out=out)
            at += columns
        matrix[:, at:] = 0.0
        return matrix
