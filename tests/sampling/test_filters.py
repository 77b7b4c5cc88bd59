"""Each filter against a slow reference written from its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqgen.config import SamplingConfig
from seqgen.sampling import filters

logits = arrays(np.float32, st.integers(1, 30), elements=st.floats(-30, 30, width=32))


def softmax(values: list[float]) -> list[float]:
    largest = max(values)
    shares = [math.exp(value - largest) for value in values]
    return [share / sum(shares) for share in shares]


def ranked(probabilities: list[float]) -> list[int]:
    return sorted(range(len(probabilities)), key=lambda i: (-probabilities[i], i))


def keep(probabilities: list[float], kept: set[int]) -> list[float]:
    total = sum(probabilities[i] for i in kept)
    return [p / total if i in kept else 0.0 for i, p in enumerate(probabilities)]


@given(logits)
def test_log_softmax(values: np.ndarray) -> None:
    expected = softmax([float(v) for v in values])
    assert np.allclose(np.exp(filters.log_softmax(values)), expected, atol=1e-12)


@given(logits, st.floats(0.05, 20))
def test_temperature(values: np.ndarray, temperature: float) -> None:
    expected = softmax([float(v) / temperature for v in values])
    got = filters.distribution(values, SamplingConfig(temperature=temperature))
    assert np.allclose(got, expected, atol=1e-9)


@given(logits)
def test_temperature_zero_takes_the_likeliest(values: np.ndarray) -> None:
    got = filters.distribution(values, SamplingConfig(temperature=0))
    assert got[values.argmax()] == 1.0
    assert got.sum() == 1.0


@given(logits, st.floats(1e-300, 1e-3))
def test_a_tiny_temperature_does_not_overflow(values: np.ndarray, temperature: float) -> None:
    got = filters.distribution(values, SamplingConfig(temperature=temperature))
    assert np.isfinite(got).all()
    assert abs(got.sum() - 1.0) < 1e-9


@given(logits, st.integers(1, 35))
def test_top_k(values: np.ndarray, k: int) -> None:
    logs = filters.log_softmax(values)
    expected = keep(list(np.exp(logs)), set(ranked(list(logs))[:k]))
    got = filters.distribution(values, SamplingConfig(top_k=k))
    assert np.allclose(got, expected, atol=1e-9)


@given(logits, st.floats(0.01, 0.999))
def test_top_p(values: np.ndarray, p: float) -> None:
    probabilities = list(np.exp(filters.log_softmax(values)))
    kept: set[int] = set()
    total = 0.0
    for i in ranked(probabilities):
        kept.add(i)
        total += probabilities[i]
        if total >= p - 1e-12:
            break
    got = filters.distribution(values, SamplingConfig(top_p=p))
    # Where the sum meets p to the last bit, one token more or less is as right.
    if abs(total - p) > 1e-9:
        assert np.allclose(got, keep(probabilities, kept), atol=1e-9)
    assert got[ranked(probabilities)[0]] > 0


@given(logits, st.floats(0.01, 1))
def test_min_p(values: np.ndarray, share: float) -> None:
    probabilities = list(np.exp(filters.log_softmax(values)))
    limit = share * max(probabilities)
    if any(abs(p / limit - 1) < 1e-9 for p in probabilities if p < max(probabilities)):
        return  # on the edge, to the last bit
    got = filters.distribution(values, SamplingConfig(min_p=share))
    kept = {i for i, p in enumerate(probabilities) if p >= limit * (1 - 1e-12)}
    assert np.allclose(got, keep(probabilities, kept), atol=1e-9)


@given(logits, st.floats(0.1, 3), st.integers(0, 30), st.floats(0.05, 1), st.floats(0, 1))
def test_all_together_are_a_distribution(
    values: np.ndarray, temperature: float, k: int, p: float, share: float
) -> None:
    config = SamplingConfig(temperature=temperature, top_k=k, top_p=p, min_p=share)
    got = filters.distribution(values, config)
    assert abs(got.sum() - 1.0) < 1e-9
    # Of logits that differ by less than a float64 can tell apart from their sum, either may stay.
    assert got[values >= values.max() - 1e-6].max() > 0
    assert k == 0 or np.count_nonzero(got) <= k


def test_the_order_is_temperature_top_k_top_p_min_p() -> None:
    values = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    # After top-k 2 the shares are .625 and .375, so top-p .6 keeps the first alone; before it,
    # .5 would not be enough and two would stay.
    got = filters.distribution(values, SamplingConfig(top_k=2, top_p=0.6))
    assert np.count_nonzero(got) == 1
    # Flattened first, the last token is at least a tenth as likely as the first.
    assert np.count_nonzero(filters.distribution(values, SamplingConfig(min_p=0.2))) == 3
    hot = SamplingConfig(temperature=4.0, min_p=0.2)
    assert np.count_nonzero(filters.distribution(values, hot)) == 4


def test_huge_vocabulary_of_equals() -> None:
    values = np.zeros(1000, np.float32)
    got = filters.distribution(values, SamplingConfig(top_k=10))
    assert np.flatnonzero(got).tolist() == list(range(10))


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_temperatures_that_are_none(bad: float) -> None:
    with pytest.raises(Exception, match="temperature"):
        SamplingConfig(temperature=bad)
