"""The compass of tunes: the lowest and the highest note in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from seqgen.music.abc.parser import parse
from seqgen.music.score import Chord, Note, Tune

__all__ = ["compass"]


def compass(texts: Iterable[str]) -> tuple[int, int] | None:
    """MIDI pitches of the lowest and highest note as written, of every ABC tune that can be read.

    None if there is no note.
    """
    pitches: set[int] = set()
    for text in texts:
        for parsed in parse(text):
            if parsed.tune is not None:
                pitches.update(note.pitch.midi for note in _notes(parsed.tune))
    within = [pitch for pitch in pitches if 0 <= pitch <= 127]
    return (min(within), max(within)) if within else None


def _notes(tune: Tune) -> Iterator[Note]:
    for voice in tune.voices:
        for bar in voice.bars:
            for item in chain(bar.items, *bar.overlays):
                if isinstance(item, Note | Chord):
                    graces = item.attached.graces
                    for event in (item, *(graces.notes if graces else ())):
                        yield from (event,) if isinstance(event, Note) else event.notes
