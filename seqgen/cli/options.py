"""Options that more than one command has, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Chords", "Encoding", "OnlyTune", "Soundfont", "Swing", "Transpose"]

OnlyTune = Annotated[
    int | None, typer.Option("--tune", min=1, help="Only this one, by its place from 1.")
]
Chords = Annotated[bool, typer.Option("--chords", help="Play chord symbols as an accompaniment.")]
Swing = Annotated[
    float | None,
    typer.Option(min=1, max=4, help="First of two eighths longer by this; 2 is triplet feel."),
]
Transpose = Annotated[
    int, typer.Option("--transpose", min=-60, max=60, help="Semitones up, or down if negative.")
]
Soundfont = Annotated[
    str | None,
    typer.Option(metavar="FILE.sf2", help="Sound with its instruments, by FluidSynth."),
]
Encoding = Annotated[str, typer.Option(help="Encoding of the files, such as latin-1.")]
