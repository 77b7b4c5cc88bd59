"""Performances as sound: a plucked string of our own, or a SoundFont through FluidSynth.

The string is that of K. Karplus and A. Strong, "Digital Synthesis of Plucked-String and Drum
Timbres" (Computer Music Journal 7:2, 1983), tuned as D. Jaffe and J. Smith do in the same issue: a
pluck goes round a delay line whose filter damps it, the high partials first. One period depends on
the one before only, so a whole period is computed at once.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from seqgen.errors import InputError
from seqgen.music.performance import DRUM_CHANNEL, Performance
from seqgen.music.playing import TimedNote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

__all__ = ["MAX_SECONDS", "SAMPLE_RATE", "frequency", "onsets_in_seconds", "pluck", "write_wav"]

SAMPLE_RATE = 44100
MAX_SECONDS = 1800
"""A longer performance is refused: its samples would not fit in a small machine's memory."""

_RELEASE_SECONDS = 0.15
_ATTACK_SECONDS = 0.002
_PEAK = 0.89  # one decibel below full scale
_SHORTEST_PERIOD = 8  # samples: fewer hold no second partial, and taps that interpolate lose it
_PICK_POSITION = 0.17  # of the string's length, from its end
# How fast the fundamental dies, in nepers a second: by the string's loss and by its damping filter.
_LOSS = 0.9
_DAMPING = 2.0


def frequency(number: int) -> float:
    """Hertz of a MIDI note number in equal temperament, 440 for 69."""
    return float(440.0 * 2.0 ** ((number - 69) / 12))


def _lagrange(delay: float) -> NDArray[np.float64]:
    """Four taps that delay by ``delay`` samples, best between 1 and 2."""
    taps = np.ones(4)
    for tap in range(4):
        for other in range(4):
            if other != tap:
                taps[tap] *= (delay - other) / (tap - other)
    return taps


def _loop_filter(number: int) -> tuple[int, NDArray[np.float64]]:
    """The delay line's whole samples and the six taps after it, for one note.

    Together they delay the fundamental by one period exactly, and lose what it should lose.
    """
    hertz = frequency(number)
    period = SAMPLE_RATE / hertz
    omega = 2 * np.pi / period
    damping = min(0.25, _DAMPING / (2 * hertz * (1 - np.cos(omega))))
    damper = np.array([damping, 1 - 2 * damping, damping])
    whole = int(period - 2)
    wanted = period - whole
    delay = wanted - 1
    for _ in range(8):  # the taps' phase delay differs a little from their delay near the top
        taps = np.convolve(damper, _lagrange(delay))
        response = np.sum(taps * np.exp(-1j * omega * np.arange(taps.size)))
        turn = round((omega * wanted + np.angle(response)) / (2 * np.pi))
        delay += wanted - (2 * np.pi * turn - np.angle(response)) / omega
    return whole, taps * np.exp(-_LOSS / hertz)


def pluck(number: int, samples: int) -> Samples:
    """A plucked string of so many samples, (samples,) float32, at most 1 in size.

    Args:
        number: MIDI note number, 0 to 127.
    """
    period = SAMPLE_RATE / frequency(number)
    if period < _SHORTEST_PERIOD:
        return _decaying_sine(period, samples)
    whole, taps = _loop_filter(number)
    history = whole + taps.size - 1
    partials = np.arange(1, max(2, min(64, int(0.45 * period))))
    weights = np.sin(np.pi * _PICK_POSITION * partials) / partials
    time = np.arange(history) / period
    sound = np.zeros(history + samples)
    sound[:history] = weights @ np.sin(2 * np.pi * np.outer(partials, time))
    for begin in range(history, history + samples, whole):
        end = min(begin + whole, history + samples)
        # y[n] is the sum over j of taps[j] y[n - whole - j].
        past = sound[begin - history : end - whole]
        sound[begin:end] = np.convolve(past, taps, "valid")
    sound = sound[history:]
    return np.asarray(sound / max(1e-9, np.abs(sound).max(initial=0.0)), dtype=np.float32)


def _decaying_sine(period: float, samples: int) -> Samples:
    """What is left of a string too short for a delay line: its fundamental."""
    time = np.arange(samples)
    decay = np.exp(-(_LOSS + _DAMPING) * time / SAMPLE_RATE)
    return np.asarray(decay * np.sin(2 * np.pi * time / period), dtype=np.float32)


def _drum(number: int, samples: int) -> Samples:
    """A struck drum: noise, the shorter and brighter the higher its number."""
    generator = np.random.default_rng(number)
    noise = generator.standard_normal(samples)
    width = max(1, 60 - number // 2)
    dull = np.convolve(noise, np.ones(width) / width, "same")
    decay = np.exp(-np.arange(samples) / (SAMPLE_RATE * (0.03 + 2 / (number + 10))))
    return np.asarray(dull / max(1e-9, np.abs(dull).max(initial=0.0)) * decay, dtype=np.float32)


def onsets_in_seconds(performance: Performance, times: Sequence[int]) -> NDArray[np.float64]:
    """Seconds from the beginning to each time in divisions, tempo changes followed."""
    points, tempos = zip(*performance.tempos, strict=True)
    per_division = 240.0 / (performance.divisions * np.array([float(each) for each in tempos]))
    starts = np.concatenate(([0.0], np.cumsum(np.diff(points) * per_division[:-1])))
    index = np.clip(np.searchsorted(points, times, side="right") - 1, 0, None)
    result: NDArray[np.float64] = (
        starts[index]
        + (np.asarray(times, dtype=np.float64) - np.asarray(points, dtype=np.float64)[index])
        * per_division[index]
    )
    return result


def write_wav(performance: Performance, *, soundfont: str | PathLike[str] | None = None) -> bytes:
    """A performance as a WAV file: 44.1 kHz, 16 bits; mono, with a SoundFont stereo.

    Raises:
        InputError: it lasts longer than MAX_SECONDS, or the SoundFont can't be read.
        OutputError: a SoundFont is asked for and FluidSynth is not installed.
    """
    seconds = float(onsets_in_seconds(performance, [performance.duration])[0])
    if seconds > MAX_SECONDS:
        raise InputError(
            f"lasts {seconds / 60:.0f} minutes; sound is made for at most {MAX_SECONDS // 60}"
        )
    if soundfont is not None:
        from seqgen.music.soundfont import render_with_soundfont

        return _wav(render_with_soundfont(performance, soundfont, seconds), channels=2)
    mixed = _render(performance, seconds)
    peak = float(np.abs(mixed).max(initial=0.0))
    scale = _PEAK * 32767 / peak if peak > 0 else 0.0
    return _wav(np.round(mixed * scale).astype("<i2"), channels=1)


def _render(performance: Performance, seconds: float) -> Samples:
    release = round(_RELEASE_SECONDS * SAMPLE_RATE)
    mixed = np.zeros(round(seconds * SAMPLE_RATE) + release + 1, dtype=np.float32)
    for is_drum in (False, True):
        notes = [
            note for track in performance.tracks
            if (track.channel == DRUM_CHANNEL) == is_drum for note in track.notes
        ]  # fmt: skip
        _mix(mixed, performance, notes, is_drum, release)
    return mixed


def _mix(
    mixed: Samples, performance: Performance, notes: list[TimedNote], is_drum: bool, release: int
) -> None:
    """Add notes to ``mixed``; each pitch is plucked once, as long as its longest note needs."""
    begins = onsets_in_seconds(performance, [note.onset for note in notes]) * SAMPLE_RATE
    ends = onsets_in_seconds(performance, [note.onset + note.duration for note in notes])
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for note, begin, end in zip(notes, begins, ends * SAMPLE_RATE, strict=True):
        first = round(float(begin))
        held = max(1, round(float(end)) - first)
        spans.setdefault(note.pitch, []).append((first, held, note.velocity))
    attack = np.linspace(0, 1, round(_ATTACK_SECONDS * SAMPLE_RATE), dtype=np.float32)
    fall = np.linspace(1, 0, release, dtype=np.float32) ** 2
    for number, places in spans.items():
        longest = max(held for _, held, _ in places) + release
        string = _drum(number, longest) if is_drum else pluck(number, longest)
        string[: attack.size] *= attack[: string.size]
        for first, held, velocity in places:
            gain = (velocity / 127) ** 1.5
            room = mixed[first : first + held + release]
            sound = string[: room.size] * np.float32(gain)
            sound[held : held + release] *= fall[: max(0, sound.size - held)]
            room += sound


def _wav(samples: NDArray[np.int16], channels: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
