"""From logits to the distribution that the next token is drawn from.

Each filter takes float64 log-probabilities, (vocabulary,), and sets what it removes to minus
infinity. They apply in this order: temperature, top-k, top-p, min-p, after the penalty of ``loops``
and the mask of the grammar; the distribution is renormalised before each one that looks at
probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig

__all__ = ["distribution", "log_softmax", "min_p", "temperature", "top_k", "top_p"]

FloatArray = NDArray[np.float64]


def log_softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Natural logarithms of the probabilities, (vocabulary,) float64."""
    shifted = logits.astype(np.float64) - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def temperature(logs: FloatArray, value: float) -> FloatArray:
    """Divide by the temperature: below 1 sharpens, above 1 flattens, 0 keeps the likeliest only."""
    if value == 0.0:
        kept = np.full_like(logs, -np.inf)
        kept[np.argmax(logs)] = 0.0
        return kept
    # Shifted first, so that a tiny temperature can't overflow the likeliest token.
    return np.asarray((logs - logs.max()) / value)


def top_k(logs: FloatArray, k: int) -> FloatArray:
    """Keep the k likeliest tokens (Fan et al. 2018); of equals, those with the lowest ids."""
    if k >= len(logs):
        return logs
    kept = np.full_like(logs, -np.inf)
    best = np.argsort(-logs, kind="stable")[:k]
    kept[best] = logs[best]
    return kept


def top_p(logs: FloatArray, p: float) -> FloatArray:
    """Keep the fewest likeliest tokens whose probabilities sum to p (Holtzman et al. 2020)."""
    order = np.argsort(-logs, kind="stable")
    before = np.cumsum(np.exp(logs[order])) - np.exp(logs[order])
    # The likeliest token always stays: nothing comes before it.
    kept = np.full_like(logs, -np.inf)
    best = order[before < p]
    kept[best] = logs[best]
    return kept


def min_p(logs: FloatArray, share: float) -> FloatArray:
    """Keep tokens at least ``share`` as likely as the likeliest (Nguyen et al. 2024)."""
    return np.where(logs < logs.max() + np.log(share), -np.inf, logs)


def distribution(logits: NDArray[np.floating], config: SamplingConfig) -> FloatArray:
    """The probabilities of the next token, (vocabulary,) float64, after every filter."""
    logs = log_softmax(temperature(logits.astype(np.float64), config.temperature))
    if config.top_k:
        logs = log_softmax(top_k(logs, config.top_k))
    if config.top_p < 1.0:
        logs = log_softmax(top_p(logs, config.top_p))
    if config.min_p > 0.0:
        logs = log_softmax(min_p(logs, config.min_p))
    return np.exp(logs)
