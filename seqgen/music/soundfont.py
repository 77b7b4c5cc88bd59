"""Performances played with the instruments of a SoundFont, by FluidSynth's Python binding."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen.errors import InputError, OutputError
from seqgen.music.performance import Performance

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["render_with_soundfont"]

_SAMPLE_RATE = 44100
_TAIL_SECONDS = 1.5
_GAIN = 0.4


def _fluidsynth() -> Any:
    try:
        import fluidsynth
    except ImportError as error:  # the package, or the library that it binds, is missing
        raise OutputError(
            "--soundfont needs FluidSynth: install its library and pip install 'seqgen[soundfont]'"
        ) from error
    return fluidsynth


def render_with_soundfont(
    performance: Performance, path: str | PathLike[str], seconds: float
) -> NDArray[np.int16]:
    """The samples, left and right in turn.

    Raises:
        OutputError: FluidSynth is not installed.
        InputError: the file is missing or no SoundFont.
    """
    from seqgen.music.audio import onsets_in_seconds

    with_library = _fluidsynth()
    if not Path(path).is_file():
        raise InputError("no such SoundFont; name a .sf2 or .sf3 file", path=path)
    events: list[tuple[int, int, int, int, int]] = []  # sample, rank, channel, number, velocity
    for track in performance.tracks:
        for time, program in track.programs:
            at = round(float(onsets_in_seconds(performance, [time])[0]) * _SAMPLE_RATE)
            events.append((at, 1, track.channel, program, 0))
        times = [time for note in track.notes for time in (note.onset, note.onset + note.duration)]
        places = onsets_in_seconds(performance, times) * _SAMPLE_RATE
        for index, note in enumerate(track.notes):
            begin, end = (round(float(each)) for each in places[2 * index : 2 * index + 2])
            events.append((begin, 2, track.channel, note.pitch, note.velocity))
            events.append((end, 0, track.channel, note.pitch, 0))
    synth = with_library.Synth(gain=_GAIN, samplerate=float(_SAMPLE_RATE))
    try:
        font = synth.sfload(fspath(path))
        if font == -1:
            raise InputError("is no SoundFont that FluidSynth can read", path=path)
        for channel in {track.channel for track in performance.tracks}:
            synth.program_select(channel, font, 128 if channel == 9 else 0, 0)
        return _play(synth, sorted(events), round((seconds + _TAIL_SECONDS) * _SAMPLE_RATE))
    finally:
        synth.delete()


def _play(
    synth: Any, events: list[tuple[int, int, int, int, int]], length: int
) -> NDArray[np.int16]:
    chunks: list[NDArray[np.int16]] = []
    now = 0
    for at, rank, channel, number, velocity in [*events, (length, 3, 0, 0, 0)]:
        if at > now:
            chunks.append(np.asarray(synth.get_samples(at - now), dtype=np.int16))
            now = at
        if rank == 0:
            synth.noteoff(channel, number)
        elif rank == 1:
            synth.program_change(channel, number)
        elif rank == 2:
            synth.noteon(channel, number, velocity)
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.int16)
