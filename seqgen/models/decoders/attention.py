"""What the queries of a Transformer find among the keys and values of its window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqgen.models.decoders.decoder import FloatArray

__all__ = ["attention"]

# Queries and keys are normalised, so that no score is above the root of a head's width; up to this
# the sum of their exponentials can't overflow.
_SAFE_WIDTH = 4096


def attention(
    query: FloatArray, keys: FloatArray, values: FloatArray, hidden: NDArray[np.bool_] | None
) -> FloatArray:
    """What each query finds, (batch, heads, time, head width).

    Args:
        query: of that shape; it is used up.
        keys, values: (batch, heads, seen, head width).
        hidden: what a query must not see, broadcast to (batch, heads, time, seen); None: nothing.
    """
    query *= np.float32(query.shape[-1] ** -0.5)
    scores = np.matmul(query, keys.swapaxes(-1, -2))
    if hidden is not None:
        np.copyto(scores, np.float32(-1e9), where=hidden)
    if query.shape[-1] > _SAFE_WIDTH:
        scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    mixed: FloatArray = np.matmul(scores, values)
    mixed /= scores.sum(-1, keepdims=True)
    return mixed
