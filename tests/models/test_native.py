"""Code of our own for recurrent layers: its arithmetic, its products and its threads.

That whole networks compute what Keras's layers do is asked in test_gradients.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen.config import Architecture, ModelConfig, Precision
from seqgen.training.batches import Batch
from seqgen.training.plan import Wishes, plan_training
from tests.support import ARCHITECTURES, make_weights

pytestmark = pytest.mark.usefixtures("tensorflow")

RECURRENT = ModelConfig("lstm", 20, 1, 32, 8, 0, 32)


def require(precision: Precision) -> None:
    from seqgen.models.networks.native import can_run

    if not can_run(RECURRENT, precision):
        pytest.skip("this processor lacks the instructions")


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh"])
def test_sixteen_numbers_at_a_time_are_right_to_a_few_bits(name: str) -> None:
    require("float32")
    from numba import njit, types
    from numba.extending import intrinsic

    from seqgen.models.networks.native import lanes

    @intrinsic
    def compute(_: Any, _x: Any, _y: Any) -> Any:
        def write(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            x = lanes.load(builder, arguments[0])
            y = x.exp() if name == "exp" else getattr(lanes, name)(x)
            lanes.store(builder, y, arguments[1])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), write

    @njit
    def compute_all(x: Any, y: Any) -> None:
        for begin in range(0, x.size, lanes.LANES):
            compute(x.ctypes.data + 4 * begin, y.ctypes.data + 4 * begin)

    x = np.concatenate([np.linspace(-80, 80, 1001), np.linspace(-1, 1, 1001), np.zeros(14)])
    x = x.astype(np.float32)
    y = np.empty_like(x)
    compute_all(x, y)
    wide = x.astype(np.float64)
    if name == "exp":
        assert np.abs(y / np.exp(wide) - 1).max() < 2e-7
    else:
        right = np.tanh(wide) if name == "tanh" else 1 / (1 + np.exp(-wide))
        assert np.abs(y - right).max() < 2e-7
    odd = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30] + [0.0] * 11, np.float32)
    got = np.empty_like(odd)
    compute_all(odd, got)
    high, low = {"exp": (6e37, 0.0), "sigmoid": (1.0, 0.0), "tanh": (1.0, -1.0)}[name]
    assert np.isnan(got[0])
    assert got[1:5] == pytest.approx([high, low, high, low], rel=0.02, abs=1e-7)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tallest", [8, 2])
def test_products_of_any_number_of_rows(precision: Precision, tallest: int) -> None:
    require(precision)
    import ml_dtypes
    from numba import njit

    from seqgen.models.networks.native.products import PANEL, make_product

    narrow = precision == "bfloat16"
    kind, together = (ml_dtypes.bfloat16, 2) if narrow else (np.float32, 1)
    product = make_product(narrow, tallest)

    @njit
    def multiply(x: Any, panel: Any, y: Any, steps: int) -> None:
        row, y_row = x.shape[1], 4 * y.shape[1]
        product(len(x), x.ctypes.data, row, panel.ctypes.data, steps, y.ctypes.data, y_row)

    rng = np.random.default_rng(0)
    for rows in range(1, 20):
        inner = 2 * rows + 4
        x = rng.normal(size=(rows, inner)).astype(kind)
        w = rng.normal(size=(inner, PANEL)).astype(kind)
        panel = w.reshape(-1, together, PANEL).transpose(0, 2, 1).copy()
        y = np.full((rows + 1, PANEL + 1), 7.0, np.float32)
        multiply(x.view(np.uint8), panel.view(np.uint8), y, inner // together)
        expected = x.astype(np.float64) @ w.astype(np.float64)
        assert np.abs(y[:rows, :PANEL] - expected).max() < 1e-5
        assert (y[rows] == 7).all()  # nothing is written beside
        assert (y[:, PANEL] == 7).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tallest", [8, 2])
def test_products_of_two_panels_are_added(precision: Precision, tallest: int) -> None:
    require(precision)
    import ml_dtypes
    from numba import njit

    from seqgen.models.networks.native.products import PANEL, STEP_BYTES, make_product

    narrow = precision == "bfloat16"
    kind, together = (ml_dtypes.bfloat16, 2) if narrow else (np.float32, 1)
    product = make_product(narrow, tallest, x_step=STEP_BYTES, adding=True, whole=True)

    @njit
    def multiply(x: Any, panel: Any, y: Any) -> None:
        steps, y_row = len(x) // STEP_BYTES, 4 * y.shape[1]
        product(PANEL, x.ctypes.data, 4, panel.ctypes.data, steps, y.ctypes.data, y_row)

    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=(10, PANEL)).astype(kind) for _ in range(2))
    panels = [m.reshape(-1, together, PANEL).transpose(0, 2, 1).copy() for m in (x, w)]
    y = np.full((PANEL + 1, PANEL + 1), 7.0, np.float32)
    multiply(*(panel.view(np.uint8).reshape(-1) for panel in panels), y)
    assert np.abs(y[:PANEL, :PANEL] - 7 - x.astype(float).T @ w.astype(float)).max() < 1e-5
    assert (y[PANEL] == 7).all()  # nothing is written beside
    assert (y[:, PANEL] == 7).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("size", [1, 3])
def test_matrices_are_packed_by_columns_and_by_rows(precision: Precision, size: int) -> None:
    require(precision)
    import ml_dtypes

    from seqgen.models.networks.native.panels import make_pack
    from seqgen.models.networks.native.products import PANEL
    from seqgen.models.networks.native.team import Team

    narrow = precision == "bfloat16"
    kind, together = (ml_dtypes.bfloat16, 2) if narrow else (np.float32, 1)
    matrices = [np.random.default_rng(0).normal(size=s).astype("f") for s in ((32, 96), (64, 32))]

    def by_columns(matrix: np.ndarray) -> np.ndarray:
        pairs = matrix.astype(kind).reshape(-1, together, matrix.shape[1] // PANEL, PANEL)
        return pairs.transpose(2, 0, 3, 1).copy().view(np.uint32)[..., 0]

    expected = [[by_columns(m) for m in matrices], [by_columns(m.T.copy()) for m in matrices]]
    got = [[np.zeros_like(panels) for panels in group] for group in expected]
    run = make_pack(narrow, len(matrices))
    Team(size).run(run, len(matrices), tuple(matrices), *map(tuple, got))
    for group, right in zip(got, expected, strict=True):
        for panels, others in zip(group, right, strict=True):
            assert (panels == others).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_rows_are_woven_into_panels(precision: Precision, count: int) -> None:
    require(precision)
    import ml_dtypes
    from numba import njit

    from seqgen.models.networks.native.panels import make_lay
    from seqgen.models.networks.native.products import PANEL

    narrow = precision == "bfloat16"
    kind, together = (ml_dtypes.bfloat16, 2) if narrow else (np.float32, 1)
    x = np.random.default_rng(0).normal(size=(8, 64)).astype(kind)
    panels = np.full((2, 12 // together, PANEL * together), 7, kind)
    lay = make_lay(narrow)

    @njit
    def lay_all(x: Any, panels: Any) -> None:
        lay(count, x, panels, 4)

    lay_all(x.view(np.uint16 if narrow else np.uint32), panels.view(np.uint32))
    rows = -(-count // together) * together
    expected = np.full((12, 64), 7, kind)
    expected[4 : 4 + rows] = 0  # half a pair of an odd row
    expected[4 : 4 + count] = x[:count]
    woven = expected.reshape(-1, together, 2, PANEL).transpose(2, 0, 3, 1)
    assert (panels == woven.reshape(panels.shape)).all()


def differentiate(arch: Architecture, precision: Precision) -> list[np.ndarray]:
    import tensorflow as tf

    from seqgen.models import networks

    if arch == "transformer":
        config = ModelConfig(arch, 20, 2, 96, 96, 3, 32, convolution=3)
    else:
        config = ModelConfig(arch, 20, 2, 96, 8, 0, 32)
    network = networks.build(config, precision=precision, native=True)
    assert network.native
    network.import_weights(make_weights(config, spread=0.1))
    ids = tf.constant(np.random.default_rng(0).integers(0, 20, (5, 30)), tf.int32)
    with tf.GradientTape() as tape:
        logits, state = network(ids)
        loss = tf.reduce_sum(tf.sin(logits))
    gradients = tape.gradient(loss, [variable.value for variable in network.weight.values()])
    return [tf.convert_to_tensor(each).numpy() for each in (logits, state, *gradients)]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bytes_do_not_depend_on_the_number_of_threads(
    arch: Architecture, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three threads share three panels of 32 units, chunks of rows or heads; of four, one has
    nothing to do."""
    require(precision)
    from seqgen.models.networks.native import team

    found = []
    for size in (1, 2, 3, 4):
        monkeypatch.setattr(team, "_team", team.Team(size))
        found.append(differentiate(arch, precision))
    for other in found[1:]:
        assert all((a == b).all() for a, b in zip(found[0], other, strict=True))


def test_networks_that_learn_at_once_wait_for_each_other() -> None:
    require("float32")
    expected = differentiate("lstm", "float32")
    with ThreadPoolExecutor(4) as pool:
        all_found = list(pool.map(lambda _: differentiate("lstm", "float32"), range(12)))
    for found in all_found:
        assert all((a == b).all() for a, b in zip(expected, found, strict=True))


def test_a_large_vocabulary_learns_what_a_small_one_does() -> None:
    """Its embedding's gradient is summed row by row, not by a product with one-hot rows."""
    require("float32")
    import tensorflow as tf

    from seqgen.models import networks

    ids = np.random.default_rng(0).integers(0, 20, (3, 12))
    found = []
    for vocabulary in (20, 1100):
        config = ModelConfig("lstm", vocabulary, 1, 32, 8, 0, 32)
        small = make_weights(ModelConfig("lstm", 20, 1, 32, 8, 0, 32), spread=0.1)
        network = networks.build(config, native=True)
        weights = network.export_weights()
        for name, weight in small.items():
            weights[name][tuple(slice(n) for n in weight.shape)] = weight
        network.import_weights(weights)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(network(tf.constant(ids, tf.int32))[0][..., :20]))
        gradient = tape.gradient(loss, network.weight["embedding"].value)
        found.append(tf.convert_to_tensor(gradient).numpy()[:20])
    assert np.abs(found[0] - found[1]).max() < 1e-5
    assert np.abs(found[0]).max() > 1e-2


def test_only_what_suits_is_computed_so() -> None:
    from seqgen.models import networks

    assert not networks.build(ModelConfig("lstm", 20, 1, 33, 8, 0, 32), native=True).native
    assert not networks.build(ModelConfig("transformer", 20, 1, 64, 64, 4, 32), native=True).native
    assert not networks.build(RECURRENT).native


def test_a_thread_that_fails_lets_the_others_go() -> None:
    require("float32")
    from numba import njit

    from seqgen.models.networks.native.loops import wait
    from seqgen.models.networks.native.team import Team

    @njit(nogil=True)
    def meet(met: Any, counter: Any, rank: int, ranks: int) -> None:
        for time in range(1, 4):
            wait(counter.ctypes.data, ranks * time)
        met[rank] = 1

    def fail(failing: int, met: Any, counter: Any, rank: int, ranks: int) -> None:
        if rank == failing:
            raise MemoryError("no room")
        meet(met, counter, rank, ranks)

    team = Team(3)
    for failing in (0, 2):
        met = np.zeros(3)
        with pytest.raises(MemoryError, match="no room"):
            team.run(fail, failing, met)
        assert met.sum() == 2.0
        team.run(meet, met)
        assert met.sum() == 3.0


def test_a_team_is_as_large_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from seqgen.models.networks.native.team import Team

    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if thread.name.endswith("_2"):  # the third but for the caller
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    team = Team(5)
    seen = []
    team.run(lambda _, rank, ranks: seen.append((rank, ranks)))
    assert sorted(seen) == [(0, 3), (1, 3), (2, 3)]


def test_memory_is_used_again_when_no_view_is_left() -> None:
    from seqgen.models.networks.native.team import empty

    shape = (3, 1000)
    first = empty(shape, np.float32)
    assert first.ctypes.data % 64 == 0
    address, row = first.ctypes.data, first[1]
    row[:] = 7.0
    del first
    second = empty(shape, np.float32)
    assert second.ctypes.data != address
    second[:] = 0.0
    assert (row == 7.0).all()
    del row
    assert empty(shape, np.float32).ctypes.data == address


def test_a_compiled_function_is_kept_and_a_damaged_one_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba import njit

    from seqgen.models.networks.native import kept

    monkeypatch.setattr(kept, "cache_folder", lambda: tmp_path)

    def double(x: float) -> float:
        return 2 * x

    def triple(x: float) -> float:
        return 3 * x

    assert kept.keep(njit(double), "f")(7.0) == 14.0
    (file,) = tmp_path.rglob("*.bin")
    # It is known by its name: what was compiled first is taken, in place of another.
    assert kept.keep(njit(triple), "f")(7.0) == 14.0
    assert kept.keep(njit(triple), "f")(7) == 21  # but not for arguments of another type
    assert kept.keep(njit(triple), "g")(7.0) == 21.0
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:40] + b"x" + whole[41:]):
        file.write_bytes(damaged)
        assert kept.keep(njit(triple), "f")(7.0) == 21.0
        assert file.read_bytes() not in (whole, damaged)
    (tmp_path / "native").rename(tmp_path / "old")
    (tmp_path / "native").write_text("a file is in the way")
    assert kept.keep(njit(triple), "f")(7.0) == 21.0


LOADING = """
import sys
import numpy as np
import ml_dtypes
from numba import njit
from seqgen.models.networks.native import kept
from seqgen.models.networks.native.products import make_product, tallest

def check(narrow):
    product = make_product(narrow, tallest())

    @njit
    def multiply(x, x_row, panel, steps, y):
        for n in range(2):  # so that it is called, not taken in
            product(len(y), x.ctypes.data, x_row, panel.ctypes.data, steps, y.ctypes.data, 128)
        product(len(y) - 1, x.ctypes.data, x_row, panel.ctypes.data, steps, y.ctypes.data, 128)

    kept.keep(multiply, "multiply", narrow)
    kind, together = (ml_dtypes.bfloat16, 2) if narrow else (np.float32, 1)
    x, w = np.ones((5, 64), kind), np.ones((64, 32), kind)
    y = np.zeros((5, 32), np.float32)
    multiply(x.view(np.uint8), 64 * x.itemsize, w.view(np.uint8), 64 // together, y)
    assert (y == 64).all(), y

for narrow in sys.argv[1]:
    check(narrow == "n")
"""


@pytest.mark.parametrize(
    ("arch", "others"),
    [
        ("transformer", [{"layers": 2}, {"hidden": 64, "embedding": 64, "heads": 2}]),
        ("lstm", [{"layers": 2}, {"hidden": 64}]),
    ],
)
def test_what_an_update_calls_is_known_to_be_kept(
    arch: Architecture,
    others: list[dict[str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By one of another size too, but not before, nor with other products."""
    require("float32")
    from seqgen.models.networks.native import is_kept, kept, loops, muon, stack, team
    from seqgen.training.trainer import Trainer

    monkeypatch.setattr(kept, "cache_folder", lambda: tmp_path)
    for make in (loops.make_loops, stack.make_stack, muon._make_muon, team._pack):
        make.cache_clear()
    small = {"arch": arch, "vocabulary": 11, "layers": 1, "hidden": 32, "embedding": 32}
    small |= {"heads": 1 if arch == "transformer" else 0, "context": 16}
    model = ModelConfig(**small)  # type: ignore[arg-type]
    assert not is_kept(model, "float32")
    recipe = plan_training(
        Wishes(batch_size=2, seq_length=16), kind="text", tokens=0, precision="float32",
        steps=2, evaluations=1, compute="native",
    )  # fmt: skip
    ids = np.ones((2, 16), np.int32)
    Trainer(model, recipe).update(Batch(ids, ids, fresh=True), 0)
    assert is_kept(model, "float32")
    assert not is_kept(model, "bfloat16")
    for other in others:
        larger = ModelConfig(**{**small, **other})  # type: ignore[arg-type]
        assert is_kept(larger, "float32")
        before = sorted(tmp_path.rglob("*.bin"))
        Trainer(larger, recipe).update(Batch(ids, ids, fresh=True), 0)
        assert sorted(tmp_path.rglob("*.bin")) == before


def test_functions_kept_by_different_processes_do_not_take_each_others_parts(
    tmp_path: Path,
) -> None:
    """Numba names inner functions by the order in which a process made them."""
    require("bfloat16")
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for narrow in ("n", "w", "nw", "wn"):
        command = [sys.executable, "-c", LOADING, narrow]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(list(tmp_path.rglob("*.bin"))) == 2
