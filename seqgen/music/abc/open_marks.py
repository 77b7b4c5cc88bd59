"""What is open in a voice until its next notes come: marks, a broken rhythm, a tuplet."""

from __future__ import annotations

from fractions import Fraction

from seqgen.music.abc.bar_builder import BarBuilder
from seqgen.music.abc.marked_notes import report_unequal
from seqgen.music.abc.note_reader import NoteReader
from seqgen.music.abc.values import Steps
from seqgen.music.abc.waiting import Broken, Pending, shares, with_duration
from seqgen.music.diagnostics import Severity
from seqgen.music.score import EVENTS, PLAIN, Attached, Spacer, Tuplet

__all__ = ["OpenMarks"]


class OpenMarks:
    """What is written before the notes of a voice that it is meant for.

    Args:
        reader: of the voice's notes, which knows the tuplet they stand in.
        bars: the voice's music.

    Attributes:
        pending: the marks that the next event will carry.
        broken: the rhythm that it shares with the last one.
    """

    __slots__ = ("_bars", "_group_offset", "_reader", "broken", "pending")

    def __init__(self, reader: NoteReader, bars: BarBuilder) -> None:
        self._reader = reader
        self._bars = bars
        self._group_offset = 0  # of the tuplet
        self.pending: Pending | None = None
        self.broken: Broken | None = None

    # -- marks

    def wait(self) -> Pending:
        """Where to put what the next event will carry."""
        if self.pending is None:
            self.pending = Pending([], [], [])
        return self.pending

    def take(self) -> Attached:
        """What the event that has come carries."""
        pending, self.pending = self.pending, None
        return PLAIN if pending is None else pending.attached()

    # -- broken rhythm

    def begin_broken(self, marks: str, offset: int) -> bool:
        """Put ``>`` or ``<`` between the last event and the next (4.4); False if none is last."""
        last = self._bars.last_of_layer()
        if last is None or self.broken is not None:
            return False
        self.broken = Broken(last[0], marks, offset)
        return True

    def share(self, duration: Fraction) -> tuple[Fraction, Steps]:
        """Share time between the event before ``>`` or ``<`` and one of this duration after it.

        Returns:
            The duration that the latter gets, and what it has lost.
        """
        broken, self.broken = self.broken, None
        if broken is None:
            return duration, 0
        items = self._bars.items
        event = items[broken.index]
        # Both are often one object, and fractions take long to compare.
        if not isinstance(event, EVENTS) or (
            event.duration is not duration and event.duration != duration
        ):
            report_unequal(self._reader, broken.marks, broken.offset)
            return duration, 0
        longer, shorter, gained = shares(duration, broken.marks)
        items[broken.index] = with_duration(event, longer)
        self._bars.steps += gained
        return shorter, gained

    # -- tuplets

    def begin_tuplet(self, actual: int, normal: int, notes: int, offset: int) -> None:
        """Begin a tuplet (4.13)."""
        self.end_tuplet()
        self._group_offset = offset
        self._reader.begin_group(Tuplet(actual, normal, notes, 0))

    def end_tuplet(self) -> None:
        """End the tuplet that is open, if one is, which lacks notes then."""
        group = self._reader.table.group
        if group is not None:
            self._reader.report(
                "tuplet",
                Severity.WARNING,
                f"this tuplet has {group.position} of its {group.notes} notes",
                self._group_offset,
                2,
            )
            self._reader.begin_group(None)

    # -- bar lines

    def settle(self) -> None:
        """Nothing waits for a note across a bar line, but what is meant for the line itself."""
        broken, pending = self.broken, self.pending
        if broken is not None:
            self._reader.report(
                "broken-rhythm",
                Severity.WARNING,
                "broken rhythm joins two notes of one bar; no note follows in this one",
                broken.offset,
                len(broken.marks),
            )
            self.broken = None
        if pending is not None and pending.graces is None and not pending.slurs:
            self._bars.items.append(Spacer(self.take()))
