"""The options that say what a tune must be."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Bars",
    "Explain",
    "Infill",
    "Key",
    "Meter",
    "Range",
    "Rhythm",
    "Title",
    "TuneForm",
    "Unconstrained",
    "UnitLength",
]

CONTROLS = "Tunes"

Meter = Annotated[str, typer.Option(metavar="6/8", help="Of the tune.", rich_help_panel=CONTROLS)]
Key = Annotated[str, typer.Option(metavar="Ador", help="Of the tune.", rich_help_panel=CONTROLS)]
UnitLength = Annotated[
    str, typer.Option(metavar="1/8", help="Unit note length.", rich_help_panel=CONTROLS)
]
Bars = Annotated[
    int | None,
    typer.Option(min=1, help="As written, upbeats aside.", rich_help_panel=CONTROLS),
]
TuneForm = Annotated[
    str,
    typer.Option(
        "--form",
        metavar="AABB",
        help="Sections of equal bars; AA is one repeated.",
        rich_help_panel=CONTROLS,
    ),
]
Range = Annotated[
    str,
    typer.Option(
        "--range",
        metavar="G,-b'",
        help="Lowest and highest note.",
        show_default="the corpus's",
        rich_help_panel=CONTROLS,
    ),
]
Rhythm = Annotated[str, typer.Option(metavar="jig", help="Kind of tune.", rich_help_panel=CONTROLS)]
Title = Annotated[str, typer.Option(metavar="TEXT", help="Of the tune.", rich_help_panel=CONTROLS)]
Infill = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Fill every bar written as ? in this tune.",
        rich_help_panel=CONTROLS,
    ),
]
Unconstrained = Annotated[
    bool,
    typer.Option("--unconstrained", help="Tunes that may not be valid.", rich_help_panel=CONTROLS),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="How much probability the grammar removed, on stderr.",
        rich_help_panel=CONTROLS,
    ),
]
