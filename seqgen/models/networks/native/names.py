"""Under which names the compiled functions of a network are kept; see kept.py.

A function that takes matrices takes tuples of them, and is compiled for tuples of a length. So that
networks of different depths share it, tuples are filled up to places for whole groups of layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from seqgen.config import Architecture, ModelConfig

__all__ = [
    "LAYERS", "MATRICES", "Name", "drawing_name", "fill", "loops_name", "muon_name",
    "names_of", "pack_name", "places", "stack_name",
]  # fmt: skip

Name = tuple[object, ...]
T = TypeVar("T")

LAYERS = 4  # of a Transformer in a group
MATRICES = 4 * LAYERS


def places(count: int, group: int) -> int:
    """The length of a tuple for so many."""
    return -(-count // group) * group


def fill(items: Sequence[T], group: int) -> tuple[T, ...]:
    """All items, and the first in the places that are left."""
    return (*items, *[items[0]] * (places(len(items), group) - len(items)))


def pack_name(narrow: bool, count: int) -> Name:
    """For so many places of matrices; muon_name likewise."""
    return "pack", narrow, count


def muon_name(count: int) -> Name:
    return "muon", count


def stack_name(width: int, narrow: bool, layers: int) -> Name:
    """For heads of a width, and so many places of layers."""
    return "stack", width, narrow, layers


def drawing_name(width: int | None, count: int = 0) -> Name:
    """For heads of a width, and so many places of matrices; None for the product alone."""
    return ("drawing", "multiply") if width is None else ("drawing", "step", width, count)


def loops_name(arch: Architecture, narrow: bool) -> Name:
    return "loops", arch, narrow


def names_of(config: ModelConfig, narrow: bool) -> list[Name]:
    """Of all that an update of a network calls."""
    if config.recurrent:
        layers = loops_name(config.arch, narrow)
        others = [pack_name(narrow, 1)]
    else:
        width, matrices = config.hidden // config.heads, places(4 * config.layers, MATRICES)
        layers = stack_name(width, narrow, places(config.layers, LAYERS))
        others = [pack_name(narrow, matrices), muon_name(matrices)]
    return [(*layers, "forward"), (*layers, "backward"), *others]
