"""Where the recogniser stands: small immutable values that hold only what decides the future."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

__all__ = ["Header", "Music", "Setting", "Spelling", "State", "Tuplet"]

Spelling: TypeAlias = tuple[str, int, str]
"""A pitch as written: letter, octave, accidental."""


class Tuplet(NamedTuple):
    """An open tuplet: ``actual`` notes in the time of ``normal``, ``left`` of them to come.

    ``written`` is the sum of the lengths of those it has, before the ratio, in steps; ``alike`` the
    steps that each must last, 0 if only all the same, -1 if they may differ.
    """

    actual: int
    normal: int
    left: int
    written: int
    alike: int = -1


class Setting(NamedTuple):
    """What the fields say of the music that follows.

    Args:
        full: steps of a bar; 0 in free metre.
        unit: steps of the unit note length.
        compound: whether beats divide in three, which tuplets of 5, 7 and 9 follow.
        key: alteration by letter, of the letters that are not natural.
    """

    full: int
    unit: int
    compound: bool
    key: tuple[tuple[str, int], ...]


class Header(NamedTuple):
    """A place in the header.

    Args:
        place: ``line`` (at its start), ``colon`` (after the letter), ``value``, ``trailing`` (in a
            comment after it) or ``comment``.
        field: letter of the line's field.
        text: its value so far, for the fields whose value is read.
        seen: letters of the fields so far, each once, sorted.
        meter, unit: the values of ``M:`` and ``L:``, "" before them.
        spaced: whether white space stands before a value that is read, or free text has begun.
    """

    place: str = "line"
    field: str = ""
    text: str = ""
    seen: str = ""
    meter: str = ""
    unit: str = ""
    spaced: bool = False


class _Music(NamedTuple):
    """The fields of ``Music``."""

    setting: Setting
    place: str = "line"
    text: str = ""
    field: str = ""
    inside: str = ""
    inner: int = 0
    spent: int = 0
    first: bool = True
    owed: int = 0
    pickup: int = 0
    own: bool = False
    line: str = "start"
    closed: bool = False
    music: bool = False
    opened: bool = False
    ending: int = 0
    due: bool = False
    split: int = 0
    slurs: int = 0
    waiting: bool = False
    after: int = 0
    last: tuple[Spelling, ...] = ()
    tied: tuple[Spelling, ...] = ()
    held: tuple[Spelling, ...] = ()
    written: int = 0
    broken: int = 0
    tuplet: Tuplet | None = None
    alters: tuple[tuple[str, int], ...] = ()
    sounded: bool = False
    symbols: bool = False
    fermata: bool = False
    graces: int = 0
    bars: int = -1
    part: int = 0
    idle: int = 0


class Music(_Music):
    """A place in the music.

    Args:
        setting: what the fields said.
        place: of the lexical grammar; text: the lexeme or value so far; field: its letter.
        inside: ``{`` or ``[`` within grace notes or a chord, ``]`` where a chord's length may come.
        inner: within a chord, steps of its first note (0 before it); within graces, how many notes
            they have, as far as that matters.
        spent: steps of this bar so far; in free metre 1 once it holds anything.
        first: whether this is the first bar of a section, which may be an upbeat.
        owed: steps that the first bar of this section must last, to complete the bar that a double
            bar or repeat has divided; 0 if none.
        pickup: steps of the latest upbeat, which a section's last bar may complete; own: whether it
            is that of this section.
        line: the class of the bar line before, if nothing but blanks followed it, else "".
        closed: whether the tune may end here.
        music: whether there is music since the last place that a repeat goes back to.
        opened: whether an explicit ``|:`` waits for its ``:|``.
        ending: number of the ending that is being played, 0 outside; due: whether the next must
            begin here.
        split: steps that an ending's first bar must last, where the endings divide a bar.
        slurs: how many are open.
        waiting: whether a mark waits for its note.
        after: 2 directly after an event, 1 after it and blanks, 0 elsewhere.
        last: pitches of the latest event; tied: those that must sound on in the next; held: those
            tied within an open chord.
        written: steps of the latest event, 0 where no broken rhythm may follow it.
        broken: steps of the note that a ``>`` or ``<`` waits for, 0 if none.
        tuplet: the open one.
        alters: accidentals of this bar that matter to the range, by letter.
        sounded: whether there was a note yet; symbols: whether there were chord symbols; fermata:
            whether there was one in this bar; graces: in a tune that is drawn, notes of the group
            that waits for its own, or 1 after a roll.
        bars: bars still to come in the section that is planned, -1 where nothing is planned.
        part: index of that section.
        idle: in a tune that is drawn, characters since the last that takes time or is a bar line.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # who checks types is to see the names of the fields

        def _replace(self, **changes: object) -> Music:
            # A named tuple's own takes three times as long, and this is where a mask's time goes.
            values = [*self]
            for name, value in changes.items():
                values[_INDEX[name]] = value
            return _NEW(Music, values)


_INDEX = {name: index for index, name in enumerate(Music._fields)}
_NEW = tuple.__new__


State: TypeAlias = Header | Music
