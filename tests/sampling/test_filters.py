"""Each filter against a slow reference written from its definition, with ties and masks."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.cli.sample import sample
from seqgen.config import SamplingConfig
from seqgen.errors import UsageError
from seqgen.sampling import filters

Row = list[float]
NEVER = -math.inf
SIZES = st.shared(st.integers(1, 12), key="size")


def rows(size: int) -> st.SearchStrategy[Row]:
    """Logits with ties, and with tokens that something else has removed already."""
    some = st.floats(-30, 30, width=32) | st.integers(-2, 2).map(float) | st.just(NEVER)
    return st.lists(some, min_size=size, max_size=size).filter(lambda row: max(row) > NEVER)


def counts(size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 3), min_size=size, max_size=size)


batches = SIZES.flatmap(lambda size: st.lists(rows(size), min_size=1, max_size=3))
drawn = SIZES.flatmap(lambda size: st.lists(counts(size), min_size=3, max_size=3))


def softmax(row: Row) -> Row:
    largest = max(row)
    shares = [math.exp(value - largest) for value in row]
    return [share / sum(shares) for share in shares]


def distribution(logits: np.ndarray, config: SamplingConfig) -> np.ndarray:
    shares = filters.relative_probabilities(logits, config)
    assert (shares.max(-1) == 1.0).all()
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def keep(row: Row, kept: set[int]) -> Row:
    return [value if i in kept else NEVER for i, value in enumerate(row)]


def same(batch: list[Row], change: Callable[[np.ndarray], None], expected: list[Row]) -> bool:
    """Whether a filter makes of a batch, and of each row of it alone, what is expected."""
    together = np.array(batch)
    change(together)
    for row, changed in zip(batch, together, strict=True):
        alone = np.array(row)
        change(alone)
        assert (alone == changed).all()
    # A removed token is minus infinity in both.
    return np.allclose(together, np.array(expected), rtol=1e-12, atol=1e-12)


@given(batches)
def test_softmax(batch: list[Row]) -> None:
    expected = np.array([softmax(row) for row in batch])
    values = np.array(batch)
    assert np.allclose(filters.softmax(values), expected, atol=1e-12)
    assert np.allclose(np.exp(filters.log_softmax(values)), expected, atol=1e-12)


@given(batches, st.data())
def test_logit_bias(batch: list[Row], data: st.DataObject) -> None:
    ids = st.integers(0, len(batch[0]) - 1)
    given_bias = data.draw(st.dictionaries(ids, st.floats(-100, 100) | st.just(NEVER)))
    expected = [[value + given_bias.get(i, 0.0) for i, value in enumerate(row)] for row in batch]
    keys = np.array(list(given_bias), np.int64)
    values = np.array(list(given_bias.values()))
    assert same(batch, lambda logits: filters.logit_bias(logits, keys, values), expected)


@given(batches, drawn, st.floats(0.1, 10))
def test_repetition_penalty(batch: list[Row], seen: list[list[int]], penalty: float) -> None:
    expected = [
        [
            value if not count else value / penalty if value > 0 else value * penalty
            for value, count in zip(row, past, strict=True)
        ]
        for row, past in zip(batch, seen, strict=False)
    ]
    for row, past, wanted in zip(batch, seen, expected, strict=False):
        here = np.array(past) > 0
        assert same(
            [row], lambda logits, here=here: filters.repetition_penalty(logits, here, penalty),
            [wanted],
        )  # fmt: skip
        if penalty > 1:  # nothing gets likelier, whatever its sign
            assert all(after <= before for before, after in zip(row, wanted, strict=True))


@given(batches, drawn, st.floats(-5, 5), st.floats(-5, 5))
def test_presence_and_frequency_penalties(
    batch: list[Row], times: list[list[int]], presence: float, frequency: float
) -> None:
    past = np.array(times[: len(batch)])
    values = np.array(batch)
    filters.presence_penalty(values, past, presence)
    filters.frequency_penalty(values, past, frequency)
    for row, counted, got in zip(batch, times, values, strict=False):
        expected = [
            value - (presence if count > 0 else 0.0) - frequency * count
            for value, count in zip(row, counted, strict=True)
        ]
        assert np.allclose(got, expected, atol=1e-9)


@given(batches, st.floats(0.05, 20))
def test_temperature(batch: list[Row], value: float) -> None:
    expected = [softmax([logit / value for logit in row]) for row in batch]
    got = distribution(np.array(batch), SamplingConfig(temperature=value))
    assert np.allclose(got, expected, atol=1e-9)


@given(batches)
def test_temperature_zero_takes_the_first_of_the_likeliest(batch: list[Row]) -> None:
    got = distribution(np.array(batch), SamplingConfig(temperature=0, typical_p=0.5))
    for row, probabilities in zip(batch, got, strict=True):
        expected = [0.0] * len(row)
        expected[row.index(max(row))] = 1.0
        assert probabilities.tolist() == expected


@given(batches, st.floats(5e-324, 1e-3))
def test_a_tiny_temperature_does_not_overflow(batch: list[Row], value: float) -> None:
    got = distribution(np.array(batch), SamplingConfig(temperature=value))
    assert np.isfinite(got).all()
    assert np.allclose(got.sum(-1), 1.0)


@given(st.floats(0, 3), st.floats(0, 3), st.integers(1, 50), st.integers(0, 99))
def test_a_temperature_moves_in_a_straight_line_and_stays(
    first: float, last: float, length: int, at: int
) -> None:
    config = SamplingConfig(temperature=first, final_temperature=last)
    path = np.linspace(first, last, length) if length > 1 else np.array([first])
    expected = path[at] if at < length else last
    assert math.isclose(filters.temperature_at(config, at, length), expected, abs_tol=1e-12)
    steady = SamplingConfig(temperature=first)
    assert filters.temperature_at(steady, at, length) == first


@given(batches, st.integers(1, 15))
def test_top_k(batch: list[Row], k: int) -> None:
    expected = [
        keep(row, set(sorted(range(len(row)), key=lambda i, row=row: (-row[i], i))[:k]))
        for row in batch
    ]
    assert same(batch, lambda logits: filters.top_k(logits, k), expected)


def fewest(row: Row, order: list[int], p: float) -> tuple[set[int], bool]:
    """The first tokens of an order that sum to p, and whether rounding could decide about one."""
    shares = softmax(row)
    kept: set[int] = set()
    total, close = 0.0, False
    for i in order:
        if total >= p:
            break
        kept.add(i)
        total += shares[i]
        close |= abs(total - p) < 1e-9
    return kept, close


@given(batches, st.floats(0.01, 0.999))
def test_top_p(batch: list[Row], p: float) -> None:
    for row in batch:
        order = sorted(range(len(row)), key=lambda i, row=row: (-row[i], i))
        kept, close = fewest(row, order, p)
        if not close:
            assert same([row], lambda logits: filters.top_p(logits, p), [keep(row, kept)])


@given(batches, st.floats(0.01, 1))
def test_min_p(batch: list[Row], share: float) -> None:
    for row in batch:
        ratios = [value / max(softmax(row)) for value in softmax(row)]
        if any(abs(ratio / share - 1) < 1e-9 and ratio < 1 for ratio in ratios):
            continue  # on the edge, to the last bit
        kept = {i for i, ratio in enumerate(ratios) if ratio >= share * (1 - 1e-12)}
        assert same([row], lambda logits: filters.min_p(logits, share), [keep(row, kept)])


@given(batches, st.floats(0.01, 0.999))
def test_typical_p(batch: list[Row], p: float) -> None:
    for row in batch:
        shares = softmax(row)
        entropy = -sum(share * math.log(share) for share in shares if share > 0)
        far = [abs(-math.log(share) - entropy) if share > 0 else math.inf for share in shares]
        order = sorted(range(len(row)), key=lambda i, far=far: (far[i], i))
        if any(
            far[b] - far[a] < 1e-9 and row[a] != row[b]
            for a, b in pairwise(order)
            if row[b] > NEVER
        ):
            continue  # equally typical, but for rounding: either order is as right
        kept, close = fewest(row, order, p)
        if not close:
            assert same([row], lambda logits: filters.typical_p(logits, p), [keep(row, kept)])


def test_typical_p_leaves_out_what_is_too_likely() -> None:
    """Its point: of one likely token and many unlikely ones, the likely one says too little."""
    values = np.log(np.array([0.4] + [0.03] * 20))
    filters.typical_p(values, 0.29)
    assert values[0] == NEVER
    assert np.isfinite(values).sum() == 10


@pytest.mark.parametrize("name", ["top_p", "typical_p"])
@given(batches)
def test_one_changes_nothing(name: str, batch: list[Row]) -> None:
    values = np.array(batch)
    getattr(filters, name)(values, 1.0)
    assert (values == np.array(batch)).all()


@given(
    batches, st.floats(0, 3), st.integers(0, 15), st.floats(0.01, 1), st.floats(0, 1),
    st.floats(0.01, 1),
)  # fmt: skip
def test_all_together_are_a_distribution_that_revives_nothing(
    batch: list[Row], temperature: float, k: int, p: float, share: float, typical: float
) -> None:
    config = SamplingConfig(
        temperature=temperature, top_k=k, top_p=p, min_p=share, typical_p=typical
    )
    values = np.array(batch)
    got = distribution(values, config)
    assert (values == np.array(batch)).all()
    assert np.allclose(got.sum(-1), 1.0)
    assert (got[values == NEVER] == 0.0).all()
    assert k == 0 or ((got > 0).sum(-1) <= k).all()


@given(rows(1))
def test_a_single_token_stays(row: Row) -> None:
    config = SamplingConfig(top_k=1, top_p=0.01, min_p=1.0, typical_p=0.01)
    assert distribution(np.array(row), config).tolist() == [1.0]


def left(**options: float) -> int:
    values = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    return np.count_nonzero(distribution(values, SamplingConfig(**options)))  # type: ignore[arg-type]


def test_the_order_is_temperature_top_k_top_p_min_p_typical_p() -> None:
    # After top-k 2 the shares are .625 and .375, so top-p .6 keeps the first alone; before it,
    # .5 would not be enough and two would stay.
    assert left(top_k=2, top_p=0.6) == 1
    # Flattened first, the last token is at least a tenth as likely as the first.
    assert (left(min_p=0.2), left(temperature=4.0, min_p=0.2)) == (3, 4)
    # Top-p .6 leaves two, and min-p .35 both of them; of the two that min-p leaves of the four,
    # the first alone would hold .625.
    assert left(top_p=0.6, min_p=0.35) == 2
    # Typical-p .5 keeps .3 and .5 of the four, which min-p would both keep; but of these two the
    # first holds .625 and is the nearer to the entropy.
    assert (left(typical_p=0.5), left(min_p=0.35, typical_p=0.5)) == (2, 1)


def test_the_options_stand_in_this_order_in_the_help_and_in_the_documentation() -> None:
    fields = [field.name for field in dataclasses.fields(SamplingConfig)]
    names = fields[: fields.index("typical_p") + 1]
    names.remove("final_temperature")  # one option with the first
    assert [name for name in inspect.signature(sample).parameters if name in names] == names
    table = (Path(__file__).parents[2] / "docs" / "sampling.md").read_text()
    rows = [f"\n| `--{name.replace('_', '-')} " for name in names]
    assert sorted(rows, key=table.index) == rows


def test_huge_vocabulary_of_equals() -> None:
    got = distribution(np.zeros(1000, np.float32), SamplingConfig(top_k=10))
    assert np.flatnonzero(got).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("temperature", value) for value in (-1.0, math.nan, math.inf)),
        *(("final_temperature", value) for value in (-0.1, math.nan)),
        *(("repetition_penalty", value) for value in (0.0, -1.0, math.inf)),
        *(("repeat_last_n", value) for value in (-2, 1.5)),
        *(("presence_penalty", value) for value in (101.0, math.nan)),
        *(("frequency_penalty", value) for value in (-101.0, math.inf)),
        *((name, value) for name in ("top_p", "typical_p") for value in (0.0, 1.1, math.nan)),
        *(("logit_bias", (("z", value),)) for value in (math.inf, math.nan, 101.0)),
        ("logit_bias", (("", 1.0),)),
        ("stop", ("a", "")),
    ],
)
def test_values_that_are_out_of_range(name: str, bad: object) -> None:
    with pytest.raises(UsageError, match=name.removeprefix("final_").replace("_", ".")):
        SamplingConfig(**{name: bad})  # type: ignore[arg-type]
