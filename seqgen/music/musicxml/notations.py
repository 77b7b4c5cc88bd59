"""What hangs on a note in MusicXML: slurs, marks and lyrics; and how elements are made."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from seqgen.music.jump_marks import Jump, mark_of
from seqgen.music.musicxml.values import ARTICULATIONS, ORNAMENTS, TECHNICAL
from seqgen.music.score import Attached

__all__ = [
    "AT_END",
    "VoiceState",
    "append",
    "close_slurs",
    "jump_sound",
    "open_slurs",
    "write_lyrics",
    "write_marks",
]

AT_END = frozenset({"dacapo", "dalsegno", "fine", "tocoda"})
"""What ``<sound>`` says of marks that are obeyed at the end of their measure."""

_MAX_SLURS = 16


def append(parent: Element, tag: str, text: object = None, **attributes: str) -> Element:
    """A new child element with text; ``_`` in an attribute's name stands for ``-``."""
    child = SubElement(parent, tag, {name.replace("_", "-"): v for name, v in attributes.items()})
    if text is not None:
        child.text = f"{text}"
    return child


@dataclass(slots=True)
class VoiceState:
    """What is open in a voice from bar to bar.

    Attributes:
        divisions: how many make a quarter note.
        topmost: whether it is the first part, which alone shows what holds for all.
        octave: octaves added to pitches by the clef's 8va mark.
        slurs: numbers of the open ones, in order.
        tied: pitches that the event before is tied to.
        hyphens: verses whose last syllable goes on.
        at_end: what stands at the end of the measure, such as D.C.
        leaves_at_coda: whether the next coda sign is where one leaves for another.
        over: of each overlay that the last bar had, by its number.
        measure: how many were begun; segni: the one that each segno begins.
    """

    divisions: int
    topmost: bool = True
    octave: int = 0
    slurs: list[int] = field(default_factory=list)
    tied: frozenset[int] = frozenset()
    hyphens: set[int] = field(default_factory=set)
    at_end: list[Element] = field(default_factory=list)
    leaves_at_coda: bool = False
    over: dict[int, VoiceState] = field(default_factory=dict)
    measure: int = 0
    segni: list[int] = field(default_factory=list)


def jump_sound(text: str, state: VoiceState) -> dict[str, str]:
    """What ``<sound>`` says of a D.C., segno, coda or Fine; nothing for other words.

    A D.S. goes to the last segno before its bar; segni are told apart by numbers.
    """
    mark = mark_of(text)
    if mark is None:
        return {}
    if isinstance(mark, Jump):
        if mark.to == "capo":
            return {"dacapo": "yes"}
        number = bisect_left(state.segni, state.measure) or len(state.segni)
        return {"dalsegno": f"{number}"} if number else {}
    if mark == "segno":
        state.segni.append(state.measure)
        return {"segno": f"{len(state.segni)}"}
    if mark == "fine":
        return {"fine": "yes"}
    leaves = mark == "to coda" or state.leaves_at_coda
    state.leaves_at_coda = False
    return {"tocoda" if leaves else "coda": "coda"}


def open_slurs(notations: Element, attached: Attached, state: VoiceState) -> None:
    for _ in range(attached.slurs_open):
        number = next((n for n in range(1, _MAX_SLURS + 1) if n not in state.slurs), None)
        if number is not None:
            state.slurs.append(number)
            append(notations, "slur", type="start", number=f"{number}")


def close_slurs(notations: Element, attached: Attached, state: VoiceState) -> None:
    for _ in range(min(attached.slurs_close, len(state.slurs))):
        append(notations, "slur", type="stop", number=f"{state.slurs.pop()}")


def write_marks(notations: Element, decorations: Sequence[str]) -> None:
    for group, names in (
        ("ornaments", ORNAMENTS), ("technical", TECHNICAL), ("articulations", ARTICULATIONS),
    ):  # fmt: skip
        found = [names[name] for name in decorations if name in names]
        fingers = [name for name in decorations if group == "technical" and name in "012345"]
        if found or fingers:
            parent = append(notations, group)
            for name in found:
                append(parent, name)
            for finger in fingers:
                append(parent, "fingering", finger)
    for name in decorations:
        if name == "fermata":
            append(notations, "fermata", type="upright")
        elif name == "invertedfermata":
            append(notations, "fermata", type="inverted")
        elif name == "arpeggio":
            append(notations, "arpeggiate")


def write_lyrics(element: Element, attached: Attached, state: VoiceState) -> None:
    for verse, text, hyphen in attached.lyrics:
        lyric = Element("lyric", number=f"{verse}")
        if not text:
            append(lyric, "extend")
        else:
            going_on = verse in state.hyphens
            append(lyric, "syllabic", ("middle" if going_on else "begin") if hyphen
                   else ("end" if going_on else "single"))  # fmt: skip
            append(lyric, "text", text)
            (state.hyphens.add if hyphen else state.hyphens.discard)(verse)
        element.append(lyric)
