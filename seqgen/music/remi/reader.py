"""MIDI files to words; what is kept, and how exactly, stands in the package's docstring."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import NamedTuple

from seqgen.errors import InputError
from seqgen.music.midi import MidiFile
from seqgen.music.midi import read as read_midi
from seqgen.music.performance import DRUM_CHANNEL, Track
from seqgen.music.remi.grammar import MAX_PROGRAMS
from seqgen.music.remi.words import (
    COMMON_TIME,
    DRUMS,
    DURATIONS,
    METERS,
    POSITIONS_PER_QUARTER,
    TEMPOS,
    VELOCITIES,
    Event,
    bar_positions,
    spell,
)
from seqgen.music.score import Meter

__all__ = ["read"]

MAX_BARS = 20_000
_DEFAULT_TEMPO = 120


class _Note(NamedTuple):
    """A note by the grid; fields in the order that notes stand in."""

    onset: int
    program: int
    pitch: int
    duration: int
    velocity: int


def read(data: bytes, *, path: str | PathLike[str] | None = None) -> str:
    """The events of a MIDI file, one a line; empty if it holds no notes.

    Raises:
        InputError: it is too large, too long, no MIDI file, or damaged.
    """
    midi = read_midi(data, path=path)
    notes = _single(_within_channels(_notes(midi)))
    if not notes:
        return ""
    end = notes[-1].onset
    tempos = _tempos(midi, end)
    words: list[str] = []
    tempo = program = None
    at = 0
    for meter, begin, length in _bars(midi, end, path):
        words += (spell(Event("Bar", 0)), spell(Event("TimeSig", meter)))
        last = begin + length
        here = at
        while at < len(notes) and notes[at].onset < last:
            at += 1
        onsets = {note.onset for note in notes[here:at]}
        for now in sorted(onsets | {time for time in tempos if begin <= time < last}):
            news: list[Event] = []
            if now in tempos and tempos[now] != tempo:
                tempo = tempos[now]
                news.append(Event("Tempo", tempo))
            while here < at and notes[here].onset == now:
                note = notes[here]
                here += 1
                if note.program != program:
                    program = note.program
                    news.append(Event("Program", program))
                news += (
                    Event("PitchDrum" if program == DRUMS else "Pitch", note.pitch),
                    Event("Velocity", note.velocity),
                    Event("Duration", note.duration),
                )
            if news:
                words += map(spell, (Event("Position", now - begin), *news))
    return "\n".join(words) + "\n"


def _grid(ticks: int, midi: MidiFile) -> int:
    """The nearest position."""
    quarter = midi.ticks_per_quarter
    return (2 * POSITIONS_PER_QUARTER * ticks + quarter) // (2 * quarter)


def _nearest(values: Sequence[int], value: float) -> int:
    """Of ascending values the nearest; of two as near the higher."""
    at = bisect_left(values, value)
    if at == 0:
        return values[0]
    below = values[at - 1]
    return values[at] if at < len(values) and values[at] - value <= value - below else below


def _notes(midi: MidiFile) -> list[_Note]:
    notes = []
    for track in midi.tracks:
        changes = [time for time, _ in track.programs]
        for onset, duration, pitch, velocity in track.notes:
            begin = _grid(onset, midi)
            held = _nearest(DURATIONS, _grid(onset + duration, midi) - begin)
            program = _program(track, bisect_right(changes, onset))
            notes.append(_Note(begin, program, pitch, held, _nearest(VELOCITIES, velocity)))
    return notes


def _program(track: Track, changes: int) -> int:
    """The program of a track's notes after so many changes."""
    if track.channel == DRUM_CHANNEL:
        return DRUMS
    return track.programs[changes - 1][1] if changes else 0


def _within_channels(notes: list[_Note]) -> list[_Note]:
    """At most as many programs as there are channels for."""
    counts = Counter(note.program for note in notes if note.program != DRUMS)
    kept = sorted(program for program, _ in counts.most_common(MAX_PROGRAMS))
    if len(counts) == len(kept):
        return notes
    moved = {program: _nearest(kept, program) for program in counts} | {DRUMS: DRUMS}
    return [note._replace(program=moved[note.program]) for note in notes]


def _single(notes: list[_Note]) -> list[_Note]:
    """Notes in order, none of them beginning where the same one still sounds."""
    lines: dict[tuple[int, int], list[_Note]] = {}
    for note in sorted(notes):
        line = lines.setdefault((note.program, note.pitch), [])
        if line and line[-1].onset == note.onset:
            line.pop()  # the longer comes later
        elif line and line[-1].onset + line[-1].duration > note.onset:
            room = bisect_right(DURATIONS, note.onset - line[-1].onset)
            line[-1] = line[-1]._replace(duration=DURATIONS[room - 1])
        line.append(note)
    return sorted(note for line in lines.values() for note in line)


def _tempos(midi: MidiFile, end: int) -> dict[int, int]:
    """Position and tempo of each change, the first at 0; of several at a position the last."""
    tempos = {0: _DEFAULT_TEMPO}
    tempos |= {_grid(tick, midi): _nearest(TEMPOS, float(qpm)) for tick, qpm in midi.tempos}
    return {time: qpm for time, qpm in tempos.items() if time <= end}


def _known(meter: Meter) -> int:
    written = (sum(meter.beats), meter.unit)
    return METERS.index(written) if written in METERS else COMMON_TIME


def _bars(
    midi: MidiFile, end: int, path: str | PathLike[str] | None
) -> Iterator[tuple[int, int, int]]:
    """Metre, beginning and length of each bar up to the one with position ``end``."""
    changes = [(_grid(tick, midi), _known(meter)) for tick, meter in midi.meters]
    begin, at, meter = 0, 0, COMMON_TIME
    for _ in range(MAX_BARS):
        while at < len(changes) and changes[at][0] <= begin:
            meter = changes[at][1]
            at += 1
        length = bar_positions(meter)
        yield meter, begin, length
        begin += length
        if begin > end:
            return
    raise InputError(f"is longer than {MAX_BARS:,} bars; no piece is", path=path)
