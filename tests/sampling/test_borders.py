"""Choices that rounding could turn are found, and those that are sure stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.config import SamplingConfig
from seqgen.sampling.borders import UNSURE, Borders, most_rounding, pick, rounding
from seqgen.sampling.filters import relative_probabilities

CONFIGS = [
    {},
    {"temperature": 0.3},
    {"temperature": 0.0},
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"typical_p": 0.7},
    {"top_k": 12, "top_p": 0.9, "temperature": 1.4},
    {"top_k": 12, "min_p": 0.05, "typical_p": 0.8, "temperature": 0.7},
    {"top_p": 0.95, "min_p": 0.02, "typical_p": 0.9},
]


@pytest.mark.parametrize("options", CONFIGS)
def test_a_choice_that_is_sure_withstands_every_error_within_the_bound(
    options: dict[str, Any],
) -> None:
    config = SamplingConfig(**options)
    rng = np.random.default_rng(1)
    error, rows = 2e-3, 4000
    # A third of the logits lie close together, where cuts meet many of them.
    logits = rng.normal(0, 2, (rows, 24))
    logits[:, ::3] = rng.normal(1, 0.01, (rows, 8))
    logits[:, 5] = -np.inf
    uniform = rng.random(rows)
    borders = Borders(np.full(rows, error))
    shares = relative_probabilities(logits, config, None, borders)
    drawn = np.array(pick(shares, uniform, borders))
    sure = drawn != UNSURE
    assert 0.02 < sure.mean() < 1.0  # an error so large leaves some of each
    truly = np.array(pick(relative_probabilities(logits, config), uniform))
    assert (truly[sure] == drawn[sure]).all()
    turned = np.zeros(rows, np.bool_)
    for extreme in (0.0, 1.0):
        for _ in range(20):
            noise = rng.uniform(-error, error, logits.shape)
            noise = np.where(rng.random(logits.shape) < extreme, np.sign(noise) * error, noise)
            shares = relative_probabilities(logits + noise, config)
            turned |= np.array(pick(shares, uniform)) != truly
    assert not (turned & sure).any()
    assert turned.any()  # the errors do turn some


def test_the_error_grows_with_the_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 1, (3, 50)).astype(np.float32)
    assert np.allclose(rounding(8 * logits), 8 * rounding(logits))
    assert (rounding(logits) < 1e-4).all()


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
def test_the_error_that_is_found_sooner_is_no_less(row: list[float]) -> None:
    logits = np.array([row, [2.0 * each - 3.0 for each in row]], np.float32)
    assert (most_rounding(logits) >= 0.9999 * rounding(logits) - 1e-20).all()
    centred = np.array([[-1.0, 1.0] * 9], np.float32)  # where it is hardly more
    assert most_rounding(centred) < 1.1 * rounding(centred)


def test_what_can_come_out_only_one_way_is_sure() -> None:
    logits = np.array([[0.0, 60.0, -np.inf]])
    for config in (SamplingConfig(), SamplingConfig(temperature=0), SamplingConfig(top_k=1)):
        borders = Borders(np.array([1e-2]))
        shares = relative_probabilities(logits, config, None, borders)
        for uniform in (1e-9, 0.5, 1.0 - 1e-9):
            assert pick(shares, [uniform], borders) == [1]


@given(
    st.lists(st.just(0.0) | st.floats(1e-300, 1.0), min_size=1, max_size=12).map(
        lambda row: [*row, 1.0]
    ),
    st.integers(0, 2**53 - 1),
    st.permutations(range(13)),
)
def test_whatever_the_number_what_is_drawn_has_a_probability(
    row: list[float], number: int, order: list[int]
) -> None:
    """Of probabilities up to a factor, to the lowest and the highest number there is."""
    shares = np.array([[row[place] for place in order if place < len(row)]])
    for uniform in (0.0, number / 2**53, 1.0 - 2.0**-53):
        (token,) = pick(shares, [uniform])
        assert shares[0, token] > 0.0
        (same,) = pick(shares / 4.0, [uniform])
        assert same == token
        before = shares[0, :token].sum() / shares.sum()
        assert before - 1e-15 <= uniform <= before + shares[0, token] / shares.sum() + 1e-15
