"""Performances to Standard MIDI Files and back to timed notes.

A file is written in format 1: the first track holds tempo, metre and key, then one track a voice.
"""

from __future__ import annotations

import io
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from os import PathLike
from typing import TypeAlias

from seqgen.errors import InputError
from seqgen.music.performance import Performance, Track
from seqgen.music.playing import TimedNote
from seqgen.music.score import Meter

__all__ = ["MAX_FILE_BYTES", "TICKS_PER_QUARTER", "MidiFile", "read", "write"]

TICKS_PER_QUARTER = 480
MAX_FILE_BYTES = 16 << 20
"""A larger file is no melody; mido needs about a hundred times its size in memory."""

_MAX_DELTA = 0x0FFFFFFF  # a variable-length quantity holds 28 bits
_MINOR_MODES = ("min", "dor", "phr", "loc")

Event: TypeAlias = tuple[int, int, bytes]
"""When in ticks, its rank among events of one tick, and its bytes without the delta time."""


def write(performance: Performance, *, text: str = "") -> bytes:
    """A performance as the bytes of a MIDI file, rounded to 1/480 of a quarter note.

    Args:
        text: for a text event at its beginning.
    """
    divisions = performance.divisions
    scale = 8 * TICKS_PER_QUARTER

    def ticks(time: int) -> int:
        return (scale * time + divisions) // (2 * divisions)

    events: list[Event] = []
    if performance.title:
        events.append((0, 0, _meta(0x03, _text(performance.title))))
    if text:
        events.append((0, 0, _meta(0x01, _text(text))))
    for time, qpm in performance.tempos:
        microseconds = min(max(round(60_000_000 / qpm), 1), 0xFFFFFF)
        events.append((ticks(time), 1, _meta(0x51, microseconds.to_bytes(3, "big"))))
    for time, meter in performance.meters:
        beats, power = sum(meter.beats), meter.unit.bit_length() - 1
        if 0 < beats < 256 and meter.unit == 1 << power:
            clocks = 36 if meter.compound else min(255, 96 // meter.unit or 1)
            events.append((ticks(time), 2, _meta(0x58, bytes((beats, power, clocks, 8)))))
    for time, key in performance.keys:
        if not key.explicit and -7 <= key.fifths <= 7:  # MIDI knows no other signatures
            minor = key.mode in _MINOR_MODES
            events.append((ticks(time), 3, _meta(0x59, bytes((key.fifths & 0xFF, minor)))))
    end = ticks(performance.duration)
    chunks = [_chunk(events, end)]
    chunks += [_chunk(_track_events(track, ticks), end) for track in performance.tracks]
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(chunks), TICKS_PER_QUARTER)
    return header + b"".join(chunks)


def _text(text: str) -> bytes:
    """Latin-1 where it can be, as MIDI files usually have it, else UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _meta(kind: int, data: bytes) -> bytes:
    return bytes((0xFF, kind)) + _quantity(len(data)) + data


@lru_cache(maxsize=4096)
def _quantity(number: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the highest bit set on all but the last."""
    number = min(number, _MAX_DELTA)
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _track_events(track: Track, ticks: Callable[[int], int]) -> list[Event]:
    on, off = 0x90 | track.channel, 0x80 | track.channel
    events: list[Event] = []
    if track.name:
        events.append((0, 0, _meta(0x03, _text(track.name))))
    for time, program in track.programs:
        events.append((ticks(time), 2, bytes((0xC0 | track.channel, program))))
    for time, text in track.lyrics:
        events.append((ticks(time), 3, _meta(0x05, _text(text))))
    for onset, duration, pitch, velocity in track.notes:
        begin, end = ticks(onset), ticks(onset + duration)
        # A note ends before the next begins at the same tick, so that repeated notes sound.
        events.append((begin, 4, bytes((on, pitch, velocity))))
        events.append((end if end > begin else begin + 1, 1, bytes((off, pitch, 0))))
    return events


def _chunk(events: list[Event], end: int) -> bytes:
    events.sort()
    parts: list[bytes] = []
    now = 0
    for time, _, data in events:
        parts.append(_quantity(time - now))
        parts.append(data)
        now = time
    parts += (_quantity(max(0, end - now)), _meta(0x2F, b""))
    body = b"".join(parts)
    return b"MTrk" + len(body).to_bytes(4, "big") + body


@dataclass(frozen=True, slots=True)
class MidiFile:
    """What a MIDI file holds, in its own ticks.

    Args:
        ticks_per_quarter: its resolution.
        tracks: those that hold notes, a channel each; programs set in another track count where a
            track sets none itself.
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
    except Exception as error:  # mido's reader leaks six kinds, its own KeySignatureError too
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
    tracks: list[Track] = []
    everywhere: dict[int, list[tuple[int, int]]] = {}  # programs by channel
    for midi_track in file.tracks:
        now = 0
        name = ""
        programs: dict[int, list[tuple[int, int]]] = {}
        sounding: defaultdict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)
        notes: dict[int, list[TimedNote]] = {}
        for message in midi_track:
            now += message.time
            kind = message.type
            if kind == "note_on" and message.velocity:
                sounding[message.channel, message.note].append((now, message.velocity))
            elif kind in ("note_on", "note_off"):
                begun = sounding[message.channel, message.note]
                if begun:
                    # Of one pitch struck again while it sounds, the first ends first.
                    onset, velocity = begun.popleft()
                    note = TimedNote(onset, now - onset, message.note, velocity)
                    notes.setdefault(message.channel, []).append(note)
            elif kind == "program_change":
                programs.setdefault(message.channel, []).append((now, message.program))
            elif kind == "track_name":
                name = message.name
            elif kind == "set_tempo" and message.tempo:
                tempos.append((now, Fraction(60_000_000, message.tempo)))
            elif kind == "time_signature" and message.numerator and message.denominator <= 1024:
                meters.append((now, Meter((message.numerator,), message.denominator)))
            elif kind == "key_signature":
                keys.append((now, message.key))
        for channel, changes in programs.items():
            everywhere.setdefault(channel, []).extend(changes)
        tracks += (
            Track(name, channel, tuple(programs.get(channel, ())), tuple(sorted(notes[channel])))
            for channel in sorted(notes)
        )
    tracks = [
        track if track.programs else replace(track, programs=_in_order(everywhere, track.channel))
        for track in tracks
    ]
    return MidiFile(
        file.ticks_per_beat, tuple(tracks), tuple(sorted(tempos)), tuple(sorted(meters, key=_when)),
        tuple(sorted(keys)),
    )  # fmt: skip


def _in_order(
    programs: dict[int, list[tuple[int, int]]], channel: int
) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(programs.get(channel, ()), key=_when))


def _when(event: tuple[int, object]) -> int:
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
