from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seqgen.training.schedule import LEVEL, rate_at


def test_it_rises_stays_and_falls_to_zero() -> None:
    rates = [rate_at(step, 100, 2.0, 10) for step in range(100)]
    assert rates[:10] == [2.0 * (n + 1) / 10 for n in range(10)]
    assert rates[10:40] == [2.0] * 30
    assert rates[41:] == sorted(rates[41:], reverse=True)
    assert 0 < rates[-1] < 2.0 / 50
    assert LEVEL == 0.4


@given(st.integers(1, 1000), st.floats(1e-6, 1.0), st.data())
def test_it_is_always_above_zero_and_at_most_the_peak(
    steps: int, peak: float, data: st.DataObject
) -> None:
    warmup = data.draw(st.integers(0, steps))
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < rate_at(step, steps, peak, warmup) <= peak
