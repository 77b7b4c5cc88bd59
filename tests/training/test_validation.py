from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.training.validation import ValidationRows

lengths = st.lists(st.integers(1, 100), min_size=1, max_size=30)


def rows_of(sizes: list[int], length: int, context: int, closed: bool) -> ValidationRows:
    texts = np.split(np.arange(1, sum(sizes) + 1, dtype=np.int32), np.cumsum(sizes))[:-1]
    return ValidationRows(
        texts,
        units=sum(sizes),
        unit="char",
        length=length,
        context=context,
        closed=closed,
        vocabulary=100,
    )


@given(lengths, st.integers(4, 60), st.booleans(), st.data())
def test_every_token_is_counted_exactly_once(
    sizes: list[int], length: int, closed: bool, data: st.DataObject
) -> None:
    context = data.draw(st.integers(0, length // 2))
    rows = rows_of(sizes, length, context, closed)
    counted = sorted(rows.targets[rows.counted > 0].tolist())
    assert counted == [0] * (len(sizes) * closed) + list(range(1, sum(sizes) + 1))


@given(lengths, st.integers(8, 60))
def test_each_counted_token_follows_its_input_or_a_boundary(sizes: list[int], length: int) -> None:
    rows = rows_of(sizes, length, length // 2, closed=True)
    ids, targets = rows.ids[rows.counted > 0], rows.targets[rows.counted > 0]
    for token, target in zip(ids.tolist(), targets.tolist(), strict=True):
        assert token == 0 or target in (0, token + 1)


def test_a_cut_part_is_read_with_what_came_before_it() -> None:
    rows = rows_of([100], length=20, context=8, closed=False)
    for ids, targets, counted in zip(rows.ids, rows.targets, rows.counted, strict=True):
        first = int(np.argmax(counted))
        if counted.any() and targets[first] != 1:
            assert ids[first] > 0
            assert first == 8


def test_score_sums_all_rows() -> None:
    rows = rows_of([10] * 500, length=25, context=5, closed=True)

    def loss_sum(ids: np.ndarray, targets: np.ndarray, counted: np.ndarray) -> float:
        return float((counted * 2.0).sum())

    score = rows.score(loss_sum)
    assert score.tokens == 5500
    assert score.nats == pytest.approx(11000.0)
    assert score.nats_per_unit == pytest.approx(11000 / 5000)
    assert score.bits_per_unit == pytest.approx(11000 / 5000 / np.log(2))
    assert rows.batches > 1
    assert rows.rows_at_once > 1
    assert rows.score(loss_sum, batches_at_most=1).nats < 11000


def test_a_large_vocabulary_is_looked_at_in_smaller_parts() -> None:
    texts = [np.arange(1, 2000, dtype=np.int32)] * 10
    sizes = {
        vocabulary: ValidationRows(
            texts,
            units=1,
            unit="char",
            length=1000,
            context=100,
            closed=True,
            vocabulary=vocabulary,
        ).rows_at_once
        for vocabulary in (10, 5000, 10**6)
    }
    assert sizes[10] > sizes[5000] > sizes[10**6] == 1
