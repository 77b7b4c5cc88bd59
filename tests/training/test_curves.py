"""Pictures of runs, looked at through the numbers that were drawn."""

from __future__ import annotations

import math
import re
import struct
from xml.etree import ElementTree

import pytest

from seqgen.errors import UsageError
from seqgen.training.curves import PlottedRun, draw, smooth
from seqgen.training.metrics import Curve

STEPS = [1.0, 2.0, 3.0, 4.0]


def make_run(
    name: str = "jigs", clip_norm: float | None = 1.0, **values: list[float]
) -> PlottedRun:
    given = {
        "loss_nats": [3.0, 2.0, math.nan, 1.0],
        "bits_per_char": [4.0, 3.0, 2.125, 2.5],
        "learning_rate": [0.01, 0.02, 0.01, 0.0],
        "gradient_norm": [3.0, 1.0, math.inf, 0.25],
        "tokens_per_second": [10.0, 9000.0, 9100.0, 9200.0],
        **values,
    }
    seconds = [10 * step for step in STEPS]
    return PlottedRun(
        name, {key: Curve(STEPS, seconds, list(v)) for key, v in given.items() if v}, clip_norm
    )


def drawn(run: PlottedRun | list[PlottedRun], by: str = "step") -> str:
    runs = run if isinstance(run, list) else [run]
    picture = draw(runs, "svg", by).decode()  # type: ignore[arg-type]
    ElementTree.fromstring(picture)
    return picture


def words(picture: str) -> list[str]:
    """The texts of an SVG: each stands as a comment before its outlines."""
    return re.findall(r"<!-- (.*?) -->", picture)


def test_a_picture_names_what_it_shows() -> None:
    shown = words(drawn(make_run()))
    for title in ("training loss (nats/token)", "validation (bits/character)", "learning rate",
                  "gradient norm", "tokens/s", "clipped to 1", "step"):  # fmt: skip
        assert title in shown, title
    assert "jigs: best 2.125 bits/character" in shown
    assert "training time (s)" not in shown
    assert "none yet" not in shown


def test_runs_on_midi_are_measured_by_events_and_not_beside_others() -> None:
    midi = make_run("pieces", bits_per_char=[], bits_per_event=[4.0, 3.0, 1.75, 2.5])
    shown = words(drawn(midi))
    assert "validation (bits/event)" in shown
    assert "pieces: best 1.750 bits/event" in shown
    with pytest.raises(UsageError, match="can't be compared; draw them apart"):
        drawn([midi, make_run()])


def test_time_instead_of_steps() -> None:
    shown = words(drawn(make_run(), "time"))
    assert shown.count("training time (s)") == 5
    assert "step" not in shown
    assert "36" in shown  # up to 40 seconds, not 4 steps


def test_what_is_not_there_yet_leaves_its_place_empty() -> None:
    shown = words(drawn(make_run(bits_per_char=[], gradient_norm=[], clip_norm=None)))
    assert shown.count("none yet") == 2
    assert "jigs" in shown
    assert not any(word.startswith("clipped") for word in shown)


def test_several_runs_have_names_and_colours_of_their_own() -> None:
    names = ["reel", "_hidden", "$x^2$", "a<b&c", "\udcff", "\u8b5c"]
    picture = drawn([make_run(name) for name in names] + [make_run("seventh")])
    shown = words(picture)
    assert "_hidden: best 2.125 bits/character" in shown
    assert "$x^2$: best 2.125 bits/character" in shown
    assert "?: best 2.125 bits/character" in shown
    assert shown.count("clipped to 1") == 1
    colours = set(re.findall(r"stroke: #([0-9a-f]{6})", picture))
    assert {"0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9"} <= colours


def test_a_threshold_is_black_if_all_runs_have_it_else_of_its_runs_colour() -> None:
    def dashed(runs: list[PlottedRun]) -> set[str]:
        dashes = re.findall(r'style="([^"]*stroke-dasharray[^"]*)"', drawn(runs))
        return {re.findall(r"stroke: #(\w{6})", style)[0] for style in dashes}

    assert dashed([make_run("a", 1.0), make_run("b", 1.0)]) == {"000000"}
    assert dashed([make_run("a", 1.0), make_run("b", 0.5)]) == {"0072b2", "d55e00"}
    assert dashed([make_run("a", None), make_run("b", 0.5)]) == {"d55e00"}
    shown = words(drawn([make_run("a", 1.0), make_run("b", 0.5), make_run("c", None)]))
    assert "clipped to 1" in shown
    assert "clipped to 0.5" in shown


def test_norms_without_a_logarithm() -> None:
    drawn(make_run(gradient_norm=[0.0, math.nan, math.inf, 0.0]))


def test_the_same_runs_give_the_same_bytes() -> None:
    for form in ("svg", "png"):
        assert draw([make_run()], form, "step") == draw([make_run()], form, "step")


def test_png() -> None:
    picture = draw([make_run()], "png", "step")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > height > 500


def test_smoothing_keeps_the_level_and_steps_over_gaps() -> None:
    assert smooth([]) == []
    assert smooth([5.0] * 500) == pytest.approx([5.0] * 500)
    assert smooth([1.0, math.nan, 2.0]) == [1.0, 1.0, 2.0]
    assert math.isnan(smooth([math.nan, 1.0])[0])
    wave = smooth([float(i % 2) for i in range(1000)])
    assert all(0.4 < value < 0.6 for value in wave[200:])
