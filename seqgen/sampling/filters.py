"""From logits to the distribution that the next token is drawn from.

Each filter changes float64 logits, (…, vocabulary), in place: before the last axis may stand a
batch. What it removes is set to minus infinity, and what another has removed stays removed. They
apply in this order, which is Hugging Face's:

    logit bias, repetition, presence and frequency penalty              (`penalties` keeps count)
    loop penalty                                                        (`loops`)
    the mask of the grammar, so that nothing revives what it forbids    (`generate`)
    temperature, top-k, top-p, min-p, typical-p                         (`relative_probabilities`)

Each that looks at probabilities looks at those that the filters before it have left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqgen.config import SamplingConfig
from seqgen.errors import CheckpointError

__all__ = [
    "Cut",
    "Doubts",
    "FloatArray",
    "frequency_penalty",
    "log_softmax",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "relative_probabilities",
    "repetition_penalty",
    "softmax",
    "temperature",
    "temperature_at",
    "top_k",
    "top_p",
    "typical_p",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Cut = Callable[[FloatArray, Any], None]

_LEAST_TEMPERATURE = 1e-300  # no logit that is divided by it overflows


def log_softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Natural logarithms of the probabilities, (…, vocabulary) float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def softmax(logits: FloatArray) -> FloatArray:
    """The probabilities, (…, vocabulary)."""
    shares: FloatArray = logits - logits.max(-1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(-1, keepdims=True)
    return shares


def logit_bias(logits: FloatArray, ids: IntArray, bias: FloatArray) -> None:
    """Add to the logits of some tokens (OpenAI, vLLM); minus infinity bans them.

    Args:
        ids: distinct, (tokens,).
        bias: below infinity, (tokens,).
    """
    logits[..., ids] += bias


def repetition_penalty(logits: FloatArray, seen: NDArray[np.bool_], penalty: float) -> None:
    """Make tokens that have come less likely (CTRL: Keskar et al. 2019; Hugging Face, llama.cpp).

    Positive logits are divided and negative ones multiplied: the paper divides both, which would
    make the latter likelier.

    Args:
        seen: whether a token stands in the context, (…, vocabulary).
    """
    np.divide(logits, penalty, out=logits, where=seen & (logits > 0))
    np.multiply(logits, penalty, out=logits, where=seen & (logits < 0))


def presence_penalty(logits: FloatArray, counts: IntArray, penalty: float) -> None:
    """Take a penalty off every token that has been drawn (OpenAI, vLLM).

    Args:
        counts: how often each has been drawn, (…, vocabulary).
    """
    np.subtract(logits, penalty, out=logits, where=counts > 0)


def frequency_penalty(logits: FloatArray, counts: IntArray, penalty: float) -> None:
    """Take a penalty off each token for every time that it has been drawn (OpenAI, vLLM)."""
    logits -= penalty * counts


def temperature(logits: FloatArray, value: float | FloatArray) -> None:
    """Divide by the temperature: below 1 sharpens, above 1 flattens, 0 keeps the likeliest only.

    Of several likeliest 0 keeps the one with the lowest id (Hugging Face, llama.cpp, vLLM).

    Args:
        value: of all, or of each row, (…).
    Raises:
        CheckpointError: a row has no likeliest token.
    """
    most = np.maximum.reduce(logits, -1, keepdims=True)
    # Of numbers one by one: of one row, as usual, that costs a third of NumPy's own.
    if not all(map(math.isfinite, most.ravel().tolist())):  # weights too large to reckon with
        raise CheckpointError("this model's weights give no probabilities; train it anew")
    # Shifted first, so that a tiny temperature can't overflow the likeliest token.
    logits -= most
    if isinstance(value, float) and value > 0.0:
        if value != 1.0:
            logits /= max(value, _LEAST_TEMPERATURE)
        return
    greedy = np.equal(value, 0.0)
    if greedy.any():
        likeliest = logits.argmax(-1, keepdims=True)
        logits[greedy] = -np.inf
        np.put_along_axis(logits, likeliest, 0.0, -1)
    if not greedy.all():
        logits /= np.maximum(value, _LEAST_TEMPERATURE)[..., None]


def temperature_at(config: SamplingConfig, drawn: int, length: int) -> float:
    """The temperature after ``drawn`` tokens of a piece that is expected to have ``length``."""
    if config.final_temperature is None:
        return config.temperature
    share = min(1.0, drawn / max(1, length - 1))
    return config.temperature * (1.0 - share) + config.final_temperature * share


def top_k(logits: FloatArray, k: int) -> None:
    """Keep the k likeliest tokens (Fan et al. 2018); of equals, those with the lowest ids."""
    if k >= logits.shape[-1]:
        return
    least = np.partition(logits, -k)[..., -k, None]
    above, equal = logits > least, logits == least
    room = k - above.sum(-1, keepdims=True)
    _keep(logits, above | (equal & (equal.cumsum(-1) <= room)))


def top_p(logits: FloatArray, p: float) -> None:
    """Keep the fewest likeliest tokens whose probabilities sum to p (Holtzman et al. 2020)."""
    if p < 1.0:
        _keep_first(logits, np.argsort(-logits, kind="stable"), softmax(logits), p)


def min_p(logits: FloatArray, share: float) -> None:
    """Keep tokens at least ``share`` as likely as the likeliest (Nguyen et al. 2024)."""
    if share > 0.0:
        _keep(logits, logits >= np.maximum.reduce(logits, -1, keepdims=True) + math.log(share))


def typical_p(logits: FloatArray, p: float) -> None:
    """Keep the fewest tokens with the most typical information that sum to p (Meister et al. 2023).

    A token's information, -log P, is the more typical the nearer it is to its expected value, the
    entropy: what is surprisingly likely goes as well as what is surprisingly unlikely.
    """
    if p < 1.0:
        information = -log_softmax(logits)
        shares = np.exp(-information)
        # A removed token has infinite information and no part in the entropy.
        entropy = (shares * np.where(shares > 0.0, information, 0.0)).sum(-1, keepdims=True)
        order = np.argsort(np.abs(information - entropy), kind="stable")
        _keep_first(logits, order, shares, p)


def _keep(logits: FloatArray, kept: NDArray[np.bool_]) -> None:
    np.copyto(logits, -np.inf, where=~kept)


def _keep_first(logits: FloatArray, order: IntArray, shares: FloatArray, p: float) -> None:
    """Keep the fewest tokens, in an order, whose shares sum to p; the first always."""
    ranked = np.take_along_axis(shares, order, -1)
    before = ranked.cumsum(-1) - ranked
    kept = np.empty(logits.shape, np.bool_)
    np.put_along_axis(kept, order, before < p, -1)
    _keep(logits, kept)


def relative_probabilities(
    logits: NDArray[np.floating],
    config: SamplingConfig,
    value: float | FloatArray | None = None,
    doubts: Doubts | None = None,
) -> FloatArray:
    """The probabilities of the next token, after temperature and below, over the likeliest's.

    Args:
        logits: after the penalties and the grammar's mask; at least one of a row is finite. They
            are left as they are.
        value: the temperature of now, of all or of each row; by default the first.
        doubts: to be told what each filter does; (batch, vocabulary) then.
    Returns:
        (…, vocabulary) float64; of a row, the highest is 1.
    Raises:
        CheckpointError: the logits of a row are no numbers.
    """
    left = logits.astype(np.float64)
    value = config.temperature if value is None else value
    temperature(left, value)
    if doubts is not None:
        doubts.begin(logits, left, value)
    cuts: list[tuple[Cut, float]] = []
    if config.top_k:
        cuts.append((top_k, config.top_k))
    if config.top_p < 1.0:
        cuts.append((top_p, config.top_p))
    if config.min_p:
        cuts.append((min_p, config.min_p))
    if config.typical_p < 1.0:
        cuts.append((typical_p, config.typical_p))
    for cut, share in cuts:
        before = left.copy() if doubts is not None else left
        cut(left, share)
        if doubts is not None:
            doubts.after(cut, share, before, left)
    if config.typical_p < 1.0:  # the others leave the likeliest, which is at 0
        left -= left.max(-1, keepdims=True)
    return np.exp(left, out=left)


class Doubts(Protocol):
    """What watches the filters for choices that rounding could have turned; see `borders`."""

    def begin(
        self, logits: NDArray[np.floating], left: FloatArray, value: float | FloatArray
    ) -> None: ...
    def after(self, cut: Cut, share: float, before: FloatArray, left: FloatArray) -> None: ...
