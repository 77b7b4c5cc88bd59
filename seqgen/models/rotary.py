"""Rotary positions (Su et al. 2021, "RoFormer"): what training and decoding must agree on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rotary_angles"]

BASE = 10_000.0


def rotary_angles(width: int) -> NDArray[np.float32]:
    """Radians a position, for each of the width / 2 pairs of a head: (width / 2,) float32."""
    half = width // 2
    return (BASE ** -(np.arange(half) / half)).astype(np.float32)
