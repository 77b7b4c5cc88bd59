"""Uneven eighths: the first of two lasts longer than the second."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seqgen.music.playing import TimedNote
from seqgen.music.score import Meter

__all__ = ["swung"]


def swung(
    played: Sequence[TimedNote],
    bars: Sequence[tuple[int, int, Meter]],
    divisions: int,
    swing: Fraction,
) -> tuple[TimedNote, ...]:
    """Make pairs of eighths uneven, beat by beat from each bar's beginning; simple metres only.

    Args:
        played: in the order they begin.
        bars: the beginning and end of each bar, in divisions, and its metre.
        divisions: how many make a whole note.
        swing: how much longer the first of two eighths is than the second.
    """
    beat = divisions // 4
    long = beat * swing.numerator // (swing.numerator + swing.denominator)

    def warped(time: int, start: int) -> int:
        whole, part = divmod(time - start, beat)
        if part <= beat // 2:
            part = part * 2 * long // beat
        else:
            part = long + (part - beat // 2) * 2 * (beat - long) // beat
        return start + whole * beat + part

    notes = []
    index = 0
    origin = 0
    for note in played:
        while index < len(bars) and bars[index][1] <= note.onset:
            index += 1
        if index < len(bars):
            start, end, meter = bars[index]
            # An upbeat is counted from its end, where the beat falls.
            origin = end if end - start < beat * 2 else start
            if meter.compound or meter.unit > 4:
                notes.append(note)
                continue
        onset = warped(note.onset, origin)
        end_time = warped(note.onset + note.duration, origin)
        notes.append(note._replace(onset=onset, duration=max(1, end_time - onset)))
    return tuple(notes)
