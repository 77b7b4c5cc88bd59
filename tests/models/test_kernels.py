"""The layouts of a kernel: one matrix, whatever it is to be multiplied with."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.models.decoders.kernels import Kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 2, 64])
def test_all_layouts_hold_the_same_numbers(rows: int, dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(24, columns)).astype(np.float32) for columns in (40, 7)]
    factors = [np.full(40, 0.5, dtype), np.ones(1, dtype)]
    kernels = Kernels([*zip(parts, factors, strict=True)], dtype)
    matrix = kernels.over(rows)
    assert matrix.dtype == dtype
    assert matrix.shape == (24, kernels.width)
    expected = np.concatenate([parts[0] * dtype(0.5), parts[1]], axis=1)
    np.testing.assert_array_equal(matrix[:, :47], expected)
    assert not matrix[:, 47:].any()


def test_a_row_of_many_begins_on_a_line_of_the_cache() -> None:
    parts = [(np.ones((5, 83), np.float32), np.ones(83, np.float32))]
    matrix = Kernels(parts, np.float32).over(2)
    assert matrix.ctypes.data % 64 == 0
    assert matrix.strides == (96 * 4, 4)
    assert Kernels(parts, np.float32).over(1).strides == (4, 5 * 4)
