"""Puts the syllables of ``w:`` and the symbols of ``s:`` lines under the notes (4.15, 5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from seqgen.music.score import Attached, Chord, Item, Note, Syllable

__all__ = ["Layers", "align_lyrics", "align_symbols"]

_LYRIC = re.compile(r"([-_*|])|((?:\\-|[^\s_*|-])+)|\s+")
_SYMBOL = re.compile(r"![^!\s]*!|\"[^\"]*\"|[*|]|[^\s!\"*|]")

Layers: TypeAlias = list[tuple[list[Item], int]]
"""The items of each bar under which lyrics stand, and where in them the line of music begins."""


def _slots(layers: Layers) -> Iterator[tuple[list[Item], int] | None]:
    """Each note's list and place in it, and None at each bar line."""
    for number, (items, start) in enumerate(layers):
        if number:
            yield None
        for index in range(start, len(items)):
            if isinstance(items[index], Note | Chord):
                yield items, index


def _attach(slot: tuple[list[Item], int], change: Callable[[Attached], Attached]) -> None:
    items, index = slot
    item = items[index]
    if isinstance(item, Note | Chord):
        items[index] = item._replace(attached=change(item.attached))


def _sing(slot: tuple[list[Item], int], syllable: Syllable) -> None:
    _attach(slot, lambda old: old._replace(lyrics=(*old.lyrics, syllable)))


def _next_note(slots: Iterator[tuple[list[Item], int] | None]) -> tuple[list[Item], int] | None:
    return next((slot for slot in slots if slot is not None), None)


def align_lyrics(text: str, verse: int, layers: Layers) -> None:
    """Hang a line of lyrics on the notes of the line of music before it.

    A syllable too many is dropped; ``-`` parts a word, ``_`` holds a syllable, ``*`` skips a note,
    ``~`` is a space within a syllable and ``|`` goes on at the next bar.
    """
    slots = _slots(layers)
    waiting: tuple[list[Item], int] | None = None  # the note of the last syllable
    word = ""

    def put(hyphen: bool) -> None:
        if waiting is not None:
            _sing(waiting, Syllable(verse, word, hyphen))

    started = False  # whether a syllable waits to be put
    for match in _LYRIC.finditer(text):
        mark, syllable = match[1], match[2]
        if syllable:
            if started:
                put(False)
            word = syllable.replace("~", " ").replace("\\-", "-")
            waiting, started = _next_note(slots), True
        elif mark == "-":
            if started:
                put(True)
                started = False
            else:
                _next_note(slots)
        elif mark in ("_", "*"):
            if started:
                put(False)
                started = False
            slot = _next_note(slots)
            if mark == "_" and slot is not None:
                _sing(slot, Syllable(verse, "", False))
        elif mark == "|":
            if started:
                put(False)
                started = False
            for slot in slots:
                if slot is None:
                    break
    if started:
        put(False)


def align_symbols(text: str, layers: Layers) -> None:
    """Hang the decorations, chord symbols and annotations of an ``s:`` line on the notes."""
    slots = _slots(layers)
    for match in _SYMBOL.finditer(text):
        token = match[0]
        if token == "|":
            for slot in slots:
                if slot is None:
                    break
            continue
        slot = _next_note(slots)
        if slot is None:
            return
        _attach(slot, _symbol(token))


def _symbol(token: str) -> Callable[[Attached], Attached]:
    text = token.strip('!"')

    def change(old: Attached) -> Attached:
        if token.startswith("!"):
            return old._replace(decorations=(*old.decorations, text))
        if token.startswith('"') and text[:1] in tuple("^_<>@"):
            return old._replace(annotations=(*old.annotations, text))
        if token.startswith('"'):
            return old._replace(chord_symbols=(*old.chord_symbols, text))
        return old

    return change
