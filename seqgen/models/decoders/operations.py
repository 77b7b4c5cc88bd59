"""What decoders are made of, besides products with weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqgen.models.decoders.decoder import FloatArray

__all__ = [
    "LINE", "NORM_EPSILON", "SAFE_WIDTH", "aligned", "attention", "convolve", "rms_norm",
    "row_scale",
]  # fmt: skip

NORM_EPSILON = np.float32(1e-6)

# Queries and keys are normalised, so that no score is above the root of a head's width; up to this
# width the sum of their exponentials can't overflow.
SAFE_WIDTH = 4096

LINE = 64  # bytes of the cache


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> FloatArray:
    """An array, not yet filled, that begins on a line of the cache."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size].view(dtype).reshape(shape)


def rms_norm(x: FloatArray) -> FloatArray:
    """Divided by the root of its mean square, over the last axis."""
    size = x.shape[-1]
    scale = np.vecdot(x, x)[..., None]
    scale += size * float(NORM_EPSILON)
    np.sqrt(scale, out=scale)
    np.divide(size**0.5, scale, out=scale)
    return np.asarray(x * scale)


def row_scale(x: FloatArray) -> float:
    """What ``rms_norm`` multiplies a row by, (size,)."""
    size = len(x)
    return math.sqrt(size / (float(np.dot(x, x)) + size * float(NORM_EPSILON)))


def convolve(
    x: FloatArray,
    kernel: FloatArray,
    recent: FloatArray,
    begun: Sequence[NDArray[np.bool_] | None],
) -> FloatArray:
    """The convolution at every position, (batch, time, hidden).

    Args:
        x: of that shape.
        kernel: (taps, hidden), that of the position itself first.
        recent: the positions before x, (batch, taps - 1, hidden); it becomes those before the next.
        begun: for each tap but the first, whether the document had begun so far back, (batch, time,
            1); what lies before it is zero. None if it had everywhere.
    """
    taps, time = len(kernel), x.shape[1]
    y: FloatArray = x * kernel[0]
    if time == 1:
        for tap in range(1, taps):
            earlier = recent[:, -tap, None] * kernel[tap]
            if (of_document := begun[tap - 1]) is not None:
                earlier *= of_document
            y += earlier
        if taps > 2:
            recent[:, :-1] = recent[:, 1:]
        recent[:, -1:] = x
        return y
    whole = np.concatenate([recent, x], axis=1)
    for tap in range(1, taps):
        earlier = whole[:, taps - 1 - tap : taps - 1 - tap + time] * kernel[tap]
        if (of_document := begun[tap - 1]) is not None:
            earlier *= of_document
        y += earlier
    recent[:] = whole[:, time:]
    return y


def attention(
    query: FloatArray, keys: FloatArray, values: FloatArray, hidden: NDArray[np.bool_] | None
) -> FloatArray:
    """What each query finds, (batch, heads, time, head width).

    Args:
        query: of that shape.
        keys, values: (batch, heads, seen, head width).
        hidden: what a query must not see, broadcast to (batch, heads, time, seen); None: nothing.
    """
    scores = np.matmul(query * query.shape[-1] ** -0.5, keys.swapaxes(-1, -2))
    if hidden is not None:
        np.copyto(scores, np.float32(-1e9), where=hidden)
    if query.shape[-1] > SAFE_WIDTH:
        scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    mixed: FloatArray = np.matmul(scores, values)
    mixed /= scores.sum(-1, keepdims=True)
    return mixed
