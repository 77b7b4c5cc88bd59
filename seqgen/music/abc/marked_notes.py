"""Reads NOTES: a note or rest with what is written at it, or two in broken rhythm."""

from __future__ import annotations

from seqgen.music.abc.music_line import NotePart, marks_of, pieces_of
from seqgen.music.abc.note_reader import NoteReader
from seqgen.music.abc.runs import RUNS, Made
from seqgen.music.abc.values import Steps
from seqgen.music.abc.waiting import (
    Pending,
    attached_by,
    shares,
    with_attached,
    with_duration,
    with_slur_closed,
)
from seqgen.music.diagnostics import Severity
from seqgen.music.score import PLAIN, Attached, Event, Graces, Note

__all__ = ["read_note", "read_notes", "report_tie", "report_unequal"]


def read_notes(reader: NoteReader, text: str, parts: tuple[NotePart, ...], offset: int) -> Made:
    """What NOTES that begin at an offset stand for; remembered unless they are at fault."""
    known = reader.table
    made: Made
    reader.faulty = False
    apart, before, name, after, at = parts[0]
    if len(parts) > 1:
        events, steps = _read_pair(reader, parts, offset)
        made = events, steps, reader.table
    elif before or after:
        event, steps = read_note(reader, parts[0], offset)
        made = (event,), steps, reader.table
    else:
        if apart:
            reader.part()
        made = reader.made(name, offset + at)
    if not reader.faulty and text not in known:
        RUNS.keep(known, text, made)
    return made


def _read_pair(
    reader: NoteReader, parts: tuple[NotePart, ...], offset: int
) -> tuple[tuple[Event, Event], Steps]:
    """Two notes or rests with a broken rhythm between them, and their length."""
    first, steps = read_note(reader, parts[0], offset)
    second, more = read_note(reader, parts[2], offset)
    _, _, marks, _, at = parts[1]
    duration = second.duration
    # Both are often one object, and fractions take long to compare.
    if first.duration is duration or first.duration == duration:
        longer, shorter, _ = shares(duration, marks)
        return (with_duration(first, longer), with_duration(second, shorter)), steps + more
    report_unequal(reader, marks, offset + at)
    return (first, second), steps + more


def read_note(reader: NoteReader, part: NotePart, offset: int) -> tuple[Event, Steps]:
    """A note or rest of NOTES that begin at an offset, with its marks, and its length."""
    apart, before, name, after, at = part
    if apart:
        reader.part()
    offset += at
    attached = _read_marks(reader, before, offset - len(before)) if before else PLAIN
    (event,), steps, _ = reader.made(name, offset)
    if not after:
        return event if attached is PLAIN else with_attached(event, attached), steps
    for _ in range(after.count(")")):
        attached = with_slur_closed(attached)
    if attached is not PLAIN:
        event = with_attached(event, attached)
    if "-" in after:
        if isinstance(event, Note):
            reader.tie((event,))
            return event._replace(tie=True), steps
        offset += len(name)
        for at, mark in enumerate(after):
            if mark == "-":
                report_tie(reader, offset + at - (after[at - 1 : at] == "."))
    return event, steps


def _read_marks(reader: NoteReader, before: str, offset: int) -> Attached:
    """What the marks before a note hang on it."""
    if "{" not in before:
        return attached_by(before)
    pending = Pending([], [], [])
    for mark in marks_of(before):
        if mark[0] == "{":
            notes = tuple([reader.note(text, offset + at) for text, at, _ in pieces_of(mark)])
            pending.graces = Graces(notes, mark[1] == "/")
        else:
            pending.add(mark)
        offset += len(mark)
    return pending.attached()


def report_tie(reader: NoteReader, offset: int) -> None:
    """Report a tie that ties nothing."""
    reader.faulty = True
    message = "a tie must stand directly after a note or chord"
    reader.report("tie", Severity.WARNING, message, offset, 1)


def report_unequal(reader: NoteReader, marks: str, offset: int) -> None:
    """Report a broken rhythm between notes of unequal lengths, which "will produce undefined
    results" (4.4)."""
    reader.faulty = True
    reader.report(
        "broken-rhythm",
        Severity.WARNING,
        "broken rhythm joins two notes of equal length; these differ and stay as written",
        offset,
        len(marks),
    )
