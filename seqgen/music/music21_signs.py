"""music21's key signatures, time signatures and clefs as a score has them."""

from __future__ import annotations

from typing import Any

from seqgen.music.abc.fields import parse_key
from seqgen.music.abc.notation import SHARPS
from seqgen.music.score import Clef, Key, Meter

__all__ = ["read_clef", "read_key", "read_meter"]

_CLEFS = {("G", 2): "treble", ("F", 4): "bass", ("C", 3): "alto", ("C", 4): "tenor",
          ("C", 1): "soprano", ("C", 2): "mezzosoprano", ("F", 3): "baritone"}  # fmt: skip


def read_key(found: Any) -> Key:
    """A music21 key signature; one without a mode is major's, one of no fifths sign by sign."""
    fifths = found.sharps
    if fifths is None or not -7 <= fifths <= 7:
        signs = "".join(
            {1: "^", -1: "_", 2: "^^", -2: "__"}[round(each.alter)] + each.step.lower()
            for each in found.alteredPitches
        )
        return parse_key(f"none exp {signs}")[0] or Key()
    mode = getattr(found, "mode", None) or "major"
    shift = {"major": 0, "minor": 3, "dorian": 2, "phrygian": 4, "lydian": -1, "mixolydian": 1,
             "locrian": 5, "ionian": 0, "aeolian": 3}.get(mode, 0)  # fmt: skip
    at = fifths + shift
    tonic = SHARPS[(at + 1) % 7] + {0: "", 1: "#", -1: "b"}.get((at + 1) // 7, "#")
    return parse_key(f"{tonic}{mode[:3]}")[0] or Key()


def read_meter(found: Any) -> Meter:
    """A music21 time signature."""
    if "SenzaMisuraTimeSignature" in found.classes:
        return Meter((), 1)
    symbol = {"common": "C", "cut": "C|"}.get(found.symbol, "")
    parts = f"{found.ratioString}".split("+")
    beats = tuple(int(part.partition("/")[0]) for part in parts)
    return Meter(beats, int(parts[-1].partition("/")[2] or found.denominator), symbol)


def read_clef(found: Any, semitones: int) -> Clef:
    """A music21 clef of a part that sounds so many semitones higher."""
    name = _CLEFS.get((found.sign, found.line), "perc" if found.sign == "percussion" else "treble")
    octaves = getattr(found, "octaveChange", 0) or 0
    suffix = {1: "+8", -1: "-8", 2: "+15", -2: "-15"}.get(octaves, "")
    return Clef(name + suffix if name + suffix != "treble" else "", 0, semitones)
