"""Performances to Standard MIDI Files and back to timed notes.

A file is written in format 1: the first track holds tempo, metre and key, then one track a voice.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from os import PathLike
from typing import TypeAlias

from seqgen.errors import InputError
from seqgen.music.performance import Performance, TimedNote, Track
from seqgen.music.score import Key, Meter

__all__ = ["MAX_FILE_BYTES", "TICKS_PER_QUARTER", "MidiFile", "read", "write"]

TICKS_PER_QUARTER = 480
MAX_FILE_BYTES = 16 << 20
"""A larger file is no melody; mido needs about a hundred times its size in memory."""

_MAX_DELTA = 0x0FFFFFFF  # a variable-length quantity holds 28 bits
_KEYS = {
    -7: "Cb", -6: "Gb", -5: "Db", -4: "Ab", -3: "Eb", -2: "Bb", -1: "F", 0: "C",
    1: "G", 2: "D", 3: "A", 4: "E", 5: "B", 6: "F#", 7: "C#",
}  # fmt: skip
_MINOR_KEYS = {
    -7: "Abm", -6: "Ebm", -5: "Bbm", -4: "Fm", -3: "Cm", -2: "Gm", -1: "Dm", 0: "Am",
    1: "Em", 2: "Bm", 3: "F#m", 4: "C#m", 5: "G#m", 6: "D#m", 7: "A#m",
}  # fmt: skip

_Ticks: TypeAlias = Callable[[int], int]
Event: TypeAlias = tuple[int, int, object]
"""When in ticks, its rank among events of one tick, and mido's message."""


def _key_name(key: Key) -> str | None:
    if key.explicit or not -7 <= key.fifths <= 7:
        return None  # MIDI has no such signature
    minor = key.mode in ("min", "dor", "phr", "loc")
    return (_MINOR_KEYS if minor else _KEYS)[key.fifths]


def write(performance: Performance) -> bytes:
    """A performance as the bytes of a MIDI file, rounded to 1/480 of a quarter note."""
    import mido

    def ticks(time: int) -> int:
        scaled = time * 4 * TICKS_PER_QUARTER
        return (2 * scaled + performance.divisions) // (2 * performance.divisions)

    events: list[Event] = []
    if performance.title:
        events.append((0, 0, mido.MetaMessage("track_name", name=_latin(performance.title))))
    for time, qpm in performance.tempos:
        tempo = min(max(floor(60_000_000 / qpm + Fraction(1, 2)), 1), 0xFFFFFF)
        events.append((ticks(time), 1, mido.MetaMessage("set_tempo", tempo=tempo)))
    for time, meter in performance.meters:
        if meter.beats and sum(meter.beats) < 256 and meter.unit & (meter.unit - 1) == 0:
            message = mido.MetaMessage(
                "time_signature", numerator=sum(meter.beats), denominator=meter.unit
            )
            events.append((ticks(time), 2, message))
    for time, key in performance.keys:
        name = _key_name(key)
        if name is not None:
            events.append((ticks(time), 3, mido.MetaMessage("key_signature", key=name)))
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_track(events, ticks(performance.duration)))
    for track in performance.tracks:
        file.tracks.append(_track(_track_events(track, ticks), ticks(performance.duration)))
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


def _latin(text: str) -> str:
    """Text that MIDI's one-byte letters can hold; others become question marks."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _track_events(track: Track, ticks: _Ticks) -> list[Event]:
    import mido

    channel = track.channel
    events: list[Event] = []
    if track.name:
        events.append((0, 0, mido.MetaMessage("track_name", name=_latin(track.name))))
    for time, program in track.programs:
        message = mido.Message("program_change", channel=channel, program=program)
        events.append((ticks(time), 2, message))
    for time, text in track.lyrics:
        events.append((ticks(time), 3, mido.MetaMessage("lyrics", text=_latin(text))))
    for onset, duration, pitch, velocity in track.notes:
        begin, end = ticks(onset), ticks(onset + duration)
        # A note ends before the next begins at the same tick, so that repeated notes sound.
        events.append((begin, 4, mido.Message("note_on", channel=channel, note=pitch,
                                              velocity=velocity)))  # fmt: skip
        events.append((max(end, begin + 1), 1, mido.Message("note_off", channel=channel, note=pitch,
                                                            velocity=0)))  # fmt: skip
    return events


def _track(events: list[Event], end: int) -> object:
    import mido

    track = mido.MidiTrack()
    events.sort(key=lambda event: event[:2])
    now = 0
    for time, _, message in events:
        track.append(message.copy(time=min(time - now, _MAX_DELTA)))  # type: ignore[attr-defined]
        now = time
    track.append(mido.MetaMessage("end_of_track", time=min(max(0, end - now), _MAX_DELTA)))
    return track


@dataclass(frozen=True, slots=True)
class MidiFile:
    """What a MIDI file holds, in its own ticks.

    Args:
        ticks_per_quarter: its resolution.
        tracks: those that hold notes.
        tempos: (tick, quarter notes a minute); meters: (tick, metre); keys: (tick, name such as
            ``"Em"``).
    """

    ticks_per_quarter: int
    tracks: tuple[Track, ...]
    tempos: tuple[tuple[int, Fraction], ...]
    meters: tuple[tuple[int, Meter], ...]
    keys: tuple[tuple[int, str], ...]


def read(data: bytes, *, path: str | PathLike[str] | None = None) -> MidiFile:
    """Read the notes of a MIDI file; onsets and durations are in its ticks.

    Raises:
        InputError: it is too large, no MIDI file, or damaged.
    """
    import mido

    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"is larger than {MAX_FILE_BYTES >> 20} MiB; no melody is", path=path)
    if data[:4] != b"MThd":
        raise InputError("is no MIDI file: it does not begin with MThd", path=path)
    _check_chunks(data, path)
    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError,
            ArithmeticError) as error:  # fmt: skip
        reason = str(error) or type(error).__name__
        raise InputError(f"is a damaged MIDI file: {reason}", path=path) from error
    if not 0 < file.ticks_per_beat < 0x8000:
        raise InputError(
            "counts time in film frames, not in beats; export it with ticks per quarter note",
            path=path,
        )
    tempos: list[tuple[int, Fraction]] = []
    meters: list[tuple[int, Meter]] = []
    keys: list[tuple[int, str]] = []
    tracks = []
    for midi_track in file.tracks:
        now = 0
        name = ""
        channel = 0
        programs: list[tuple[int, int]] = []
        sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
        notes: list[TimedNote] = []
        for message in midi_track:
            now += message.time
            kind = message.type
            if kind == "note_on" and message.velocity:
                channel = message.channel
                begun = sounding.setdefault((channel, message.note), [])
                begun.append((now, message.velocity))
            elif kind in ("note_on", "note_off"):
                begun = sounding.get((message.channel, message.note), [])
                if begun:
                    onset, velocity = begun.pop()
                    notes.append(TimedNote(onset, now - onset, message.note, velocity))
            elif kind == "program_change":
                programs.append((now, message.program))
            elif kind == "track_name":
                name = message.name
            elif kind == "set_tempo" and message.tempo:
                tempos.append((now, Fraction(60_000_000, message.tempo)))
            elif kind == "time_signature":
                meters.append((now, Meter((message.numerator,), message.denominator)))
            elif kind == "key_signature":
                keys.append((now, message.key))
        if notes:
            tracks.append(Track(name, channel, tuple(programs), tuple(sorted(notes))))
    return MidiFile(
        file.ticks_per_beat, tuple(tracks), tuple(sorted(tempos)), tuple(sorted(meters, key=_when)),
        tuple(sorted(keys)),
    )  # fmt: skip


def _when(event: tuple[int, Meter]) -> int:
    return event[0]


def _check_chunks(data: bytes, path: str | PathLike[str] | None) -> None:
    """Refuse what mido reads slowly or without bound: chunks and numbers longer than the file."""
    position, tracks = 0, 0
    while position < len(data):
        if position + 8 > len(data):
            raise InputError(f"is a damaged MIDI file: byte {position} begins no chunk", path=path)
        size = int.from_bytes(data[position + 4 : position + 8], "big")
        if position == 0 and size < 6:
            raise InputError("is a damaged MIDI file: its header is too short", path=path)
        if position + 8 + size > len(data):
            raise InputError(
                f"is a truncated MIDI file: the chunk at byte {position} says it has {size} bytes, "
                f"and {len(data) - position - 8} follow",
                path=path,
            )
        if data[position : position + 4] == b"MTrk":
            tracks += 1
            _check_numbers(data, position + 8, position + 8 + size, path)
        position += 8 + size
    declared = int.from_bytes(data[10:12], "big")
    if declared > tracks:
        message = f"is a truncated MIDI file: it declares {declared} tracks and holds {tracks}"
        raise InputError(message, path=path)


def _check_numbers(data: bytes, start: int, end: int, path: str | PathLike[str] | None) -> None:
    """Refuse a run of bytes with the high bit set: a number of any length, which mido would sum."""
    run = 0
    for position in range(start, end):
        run = run + 1 if data[position] & 0x80 else 0
        if run > 64:
            message = f"is a damaged MIDI file: byte {position} is in a number without end"
            raise InputError(message, path=path)
