"""Divides notes that are in tuplets into groups as ABC writes them (4.13)."""

from __future__ import annotations

from fractions import Fraction

from seqgen.music.score import Chord, Event, Item, Note, Rest, Tuplet

__all__ = ["group_tuplets"]


def group_tuplets(items: list[Item]) -> list[Item]:
    """The items of a bar with their tuplet notes numbered as groups.

    Readers of other forms know of each note only how many stand in the time of how many. Notes of
    one ratio that follow each other are a group as soon as their time is a plain value.
    """
    grouped = list(items)
    run: list[int] = []
    time = Fraction(0)
    for index, item in enumerate(items):
        if not isinstance(item, Note | Chord | Rest):
            continue
        tuplet = item.tuplet
        before = grouped[run[0]] if run else None
        if run and (tuplet is None or _ratio(before) != (tuplet.actual, tuplet.normal)):
            _close(grouped, run)
            run, time = [], Fraction(0)
        if tuplet is None:
            continue
        run.append(index)
        time += item.duration
        if len(run) > 1 and time.denominator & (time.denominator - 1) == 0:
            _close(grouped, run)
            run, time = [], Fraction(0)
    _close(grouped, run)
    return grouped


def _ratio(item: Item | None) -> tuple[int, int] | None:
    if isinstance(item, Note | Chord | Rest) and item.tuplet is not None:
        return item.tuplet.actual, item.tuplet.normal
    return None


def _close(items: list[Item], run: list[int]) -> None:
    for position, index in enumerate(run):
        event = items[index]
        if isinstance(event, Note | Chord | Rest) and event.tuplet is not None:
            tuplet = event.tuplet._replace(notes=len(run), position=position)
            items[index] = _with_tuplet(event, tuplet)


def _with_tuplet(event: Event, tuplet: Tuplet) -> Event:
    if isinstance(event, Chord):
        return Chord(event.notes, event.duration, event.joined, tuplet, event.attached)
    return event._replace(tuplet=tuplet)
