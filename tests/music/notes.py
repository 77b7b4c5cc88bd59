"""Helpers that spell tunes and what they sound like."""

from __future__ import annotations

from fractions import Fraction

from seqgen.music.abc.parser import ParsedTune, parse
from seqgen.music.performance import perform
from seqgen.music.score import Tune

HEADER = "X:1\nT:Test\nM:4/4\nL:1/8\nK:C\n"


def parsed(music: str, header: str = HEADER) -> ParsedTune:
    """The one tune of a header and its music."""
    (tune,) = parse(header + music + "\n")
    return tune


def tune_of(music: str, header: str = HEADER) -> Tune:
    """The same, which must be accepted."""
    result = parsed(music, header)
    assert result.tune is not None, result.diagnostics
    return result.tune


def sounds(music: str, header: str = HEADER, *, graces: bool = True) -> list[tuple[str, int]]:
    """Each note as (duration in units of 1/8, pitch), in order of onset, first voice."""
    performance = perform(tune_of(music, header), graces=graces)
    return [
        (str(Fraction(note.duration * 8, performance.divisions)), note.pitch)
        for note in performance.tracks[0].notes
    ]


def pitches(music: str, header: str = HEADER) -> list[int]:
    """The MIDI numbers of the first voice, in order."""
    return [pitch for _, pitch in sounds(music, header)]


def lengths(music: str, header: str = HEADER) -> list[str]:
    """The durations of the first voice in units of 1/8, in order."""
    return [length for length, _ in sounds(music, header, graces=False)]


def codes(music: str, header: str = HEADER) -> list[str]:
    """The codes of what is wrong."""
    return [each.code for each in parsed(music, header).diagnostics]
