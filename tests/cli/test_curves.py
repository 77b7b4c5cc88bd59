"""Curves in Braille: they fit, they fall where losses fall, and the axes say what they measure."""

from __future__ import annotations

import math

import pytest

from seqgen.cli.curves import Curves


def falling(steps: int, upto: int) -> Curves:
    curves = Curves(steps)
    for step in range(1, upto + 1):
        curves.trained(step, 1 + 5 * math.exp(-20 * step / steps))
    return curves


def text_of(curves: Curves, width: int, height: int) -> list[str]:
    return [line.plain for line in curves.draw(width, height)]


@pytest.mark.parametrize(("width", "height"), [(30, 5), (59, 16), (80, 9), (200, 60)])
@pytest.mark.parametrize("steps", [1, 2, 37, 12_345])
def test_it_fits(width: int, height: int, steps: int) -> None:
    curves = falling(steps, steps)
    curves.validated(steps, 1.1)
    lines = text_of(curves, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) == width == len(lines[-1])
    assert lines[-1].endswith(f"{steps:,} steps")
    assert "bits/char" in lines[0]


def test_the_axis_holds_the_values() -> None:
    curves = Curves(100)
    for step in range(1, 101):
        curves.trained(step, 2.0 if step <= 50 else 1.0)
    lines = text_of(curves, 60, 12)
    assert lines[1].startswith("2.00 ┤")
    assert lines[-2].startswith("1.00 ┤")
    dots = [[column for column, c in enumerate(line) if ord(c) > 0x2800] for line in lines[1:-1]]
    assert max(dots[0]) <= 6 + 27 <= min(dots[-1])  # the first half above, the second below
    assert all(dots)  # and a line between them


def test_half_a_run_fills_half_of_the_picture() -> None:
    lines = text_of(falling(1000, 500), 60, 12)
    farthest = max(i for line in lines[1:-1] for i, c in enumerate(line) if ord(c) > 0x2800)
    assert 6 + 25 <= farthest <= 6 + 27


def test_validation_is_marked_and_the_best_of_it() -> None:
    curves = falling(1000, 1000)
    for step, bits in ((250, 3.0), (500, 1.5), (1000, 2.0)):
        curves.validated(step, bits)
    rows = text_of(curves, 60, 20)[1:-1]
    marks = {(c, i) for line in rows for i, c in enumerate(line) if c in "o*"}
    assert marks == {("o", 6 + 13), ("*", 6 + 27), ("o", 6 + 53)}


def test_the_steep_beginning_does_not_flatten_the_rest() -> None:
    curves = falling(1000, 1000)
    assert float(text_of(curves, 60, 12)[1].split()[0]) > 4
    curves.validated(1000, 1.0)
    assert float(text_of(curves, 60, 12)[1].split()[0]) < 2.2


def test_what_is_not_finite_is_not_drawn() -> None:
    curves, clean = Curves(10), Curves(10)
    for step in range(1, 11):
        if step == 5:
            curves.trained(step, math.nan)
            curves.validated(step, math.inf)
        else:
            curves.trained(step, 1.0 + step)
            clean.trained(step, 1.0 + step)
    assert text_of(curves, 40, 8) == text_of(clean, 40, 8)
    assert text_of(Curves(10), 40, 8)  # nothing known yet


def test_a_level_curve_has_an_axis_too() -> None:
    curves = Curves(10)
    curves.trained(1, 1.5)
    lines = text_of(curves, 40, 8)
    assert any(0x2800 < ord(c) < 0x2900 for line in lines[1:-1] for c in line)
