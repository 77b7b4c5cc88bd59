"""Words to a performance, which ``seqgen.music.midi`` writes as a file."""

from __future__ import annotations

from fractions import Fraction

from seqgen.errors import InputError
from seqgen.music.performance import DRUM_CHANNEL, Performance, Track
from seqgen.music.playing import TimedNote
from seqgen.music.remi.grammar import START, advance
from seqgen.music.remi.words import DRUMS, METERS, POSITIONS_PER_QUARTER, WORDS
from seqgen.music.score import Meter

__all__ = ["perform"]


def perform(text: str) -> Performance:
    """The piece that some words tell: a track a program, the drums first.

    Args:
        text: words with white space between them.
    Raises:
        InputError: it holds what is no word, or a word that can't stand there, or stops within a
            note.
    """
    tempos: list[tuple[int, Fraction]] = []
    meters: list[tuple[int, Meter]] = []
    notes: dict[int, list[TimedNote]] = {}
    state = START
    for number, word in enumerate(text.split(), 1):
        event = WORDS.get(word)
        after = advance(state, event) if event is not None else None
        if event is None or after is None:
            what = "is no event" if event is None else "can't stand there"
            raise InputError(f"word {number}, {word}, {what}")
        state = after
        if event.kind == "TimeSig":
            beats, unit = METERS[event.value]
            meter = Meter((beats,), unit)
            if not meters or meters[-1][1] != meter:
                meters.append((state.bar, meter))
        elif event.kind == "Tempo":
            tempos.append((state.now, Fraction(event.value)))
        elif event.kind == "Duration":
            note = TimedNote(state.now, event.value, state.pitch, state.velocity)
            notes.setdefault(state.program, []).append(note)
    if not state.final:
        raise InputError("it stops within a note, or before the first" if text.strip() else "empty")
    channels = (channel for channel in range(16) if channel != DRUM_CHANNEL)
    tracks = tuple(
        Track("Drums", DRUM_CHANNEL, (), tuple(notes[program]))
        if program == DRUMS
        else Track("", next(channels), ((0, program),), tuple(notes[program]))
        for program in sorted(notes)
    )
    end = max(note.onset + note.duration for track in tracks for note in track.notes)
    return Performance("", 4 * POSITIONS_PER_QUARTER, tracks, tuple(tempos), tuple(meters), (), end)
