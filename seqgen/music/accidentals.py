"""Which accidentals must be written so that every note reads as it sounds (ABC 2.1, 4.2 and 11.3).

An accidental holds to the end of its bar for its letter in every octave (or as
``%%propagate-accidentals`` says), and through a tie over the bar line. The same rule decides what a
reader hears, so the parser and this must agree; the round trip over whole collections holds them to
it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seqgen.music.score import (
    PLAIN,
    Attached,
    Bar,
    Chord,
    Directive,
    Item,
    Key,
    KeyChange,
    Note,
    Rest,
    Spacer,
    Voice,
)

__all__ = ["with_accidentals"]


def with_accidentals(voice: Voice, key: Key, directives: Iterable[Directive]) -> Voice:
    """The voice with an accidental wherever a note would otherwise be misread.

    Accidentals that are not needed stay, as long as they say what sounds.

    Args:
        key: at the voice's beginning; directives: of the header.
    """
    reader = _Reader(key)
    for directive in directives:
        reader.direct(directive)
    bars = tuple(reader.bar(bar) for bar in voice.bars)
    if all(new is old for new, old in zip(bars, voice.bars, strict=True)):
        return voice
    return replace(voice, bars=bars)


class _Reader:
    """Reads a voice as a musician does, and mends what would be misread."""

    def __init__(self, key: Key) -> None:
        self._signature = dict(key.alters)
        self._alters: dict[str, int] = {}
        self._tied: dict[tuple[str, int], int] = {}
        self._propagate = "pitch"

    def direct(self, directive: Directive) -> None:
        """Follow ``propagate-accidentals``: ``pitch``, ``octave`` or ``not``."""
        words = directive.text.split()
        if len(words) == 2 and words[0] == "propagate-accidentals":
            self._propagate = words[1]

    def bar(self, bar: Bar) -> Bar:
        layers = []
        for layer in (bar.items, *bar.overlays):
            self._alters = {}
            layers.append(tuple([self._item(item) for item in layer]))
        self._alters = {}
        if layers[0] == bar.items and tuple(layers[1:]) == bar.overlays:
            return bar
        return bar._replace(items=layers[0], overlays=tuple(layers[1:]))

    def _item(self, item: Item) -> Item:
        if isinstance(item, Note):
            attached = self._attached(item.attached)
            accidental = self._accidental(item)
            if accidental != item.accidental or attached is not item.attached:
                item = item._replace(accidental=accidental, attached=attached)
            self._tie((item,))
        elif isinstance(item, Chord):
            item = self._chord(item)
            self._tie(item.notes)
        elif isinstance(item, Rest):
            attached = self._attached(item.attached)
            if attached is not item.attached:
                item = item._replace(attached=attached)
            self._tied = {}
        elif isinstance(item, Spacer):
            attached = self._attached(item.attached)
            if attached is not item.attached:
                item = item._replace(attached=attached)
        elif isinstance(item, KeyChange) and item.key is not None:
            self._signature, self._alters = dict(item.key.alters), {}
        elif isinstance(item, Directive):
            self.direct(item)
        return item

    def _tie(self, notes: Iterable[Note]) -> None:
        tied = {}
        for note in notes:
            if note.tie:
                tied[note.pitch.step, note.pitch.octave] = note.pitch.alter
        self._tied = tied

    def _chord(self, chord: Chord) -> Chord:
        attached = self._attached(chord.attached)
        notes = []
        for note in chord.notes:
            accidental = self._accidental(note)
            same = accidental == note.accidental
            notes.append(note if same else note._replace(accidental=accidental))
        if attached is chord.attached and tuple(notes) == chord.notes:
            return chord
        return chord._replace(notes=tuple(notes), attached=attached)

    def _attached(self, attached: Attached) -> Attached:
        if attached is PLAIN or attached.graces is None:
            return attached
        graces = attached.graces
        notes: list[Note | Chord] = []
        for each in graces.notes:
            if isinstance(each, Chord):
                notes.append(self._chord(each))
            else:
                notes.append(each._replace(accidental=self._accidental(each)))
        if tuple(notes) == graces.notes:
            return attached
        return attached._replace(graces=graces._replace(notes=tuple(notes)))

    def _accidental(self, note: Note) -> int | None:
        """What must be written before the note; keeps count of what it changes in its bar."""
        step, alter, octave = note.pitch
        name = step if self._propagate == "pitch" else f"{step}{octave}"
        if note.accidental is None:
            expected = self._alters.get(name)
            if expected is None and self._tied:
                expected = self._tied.get((step, octave))
            if expected is None:
                expected = self._signature.get(step, 0)
            if alter == expected:
                return None
        if self._propagate in ("pitch", "octave"):
            self._alters[name] = alter
        return alter
