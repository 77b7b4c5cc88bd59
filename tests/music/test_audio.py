"""Sound is in tune, in time, never clipped, and dies away."""

from __future__ import annotations

import importlib.util
import io
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seqgen.errors import InputError, OutputError
from seqgen.music import soundfont
from seqgen.music.abc.parser import parse_tune
from seqgen.music.audio import SAMPLE_RATE, frequency, onsets_in_seconds, pluck, write_wav
from seqgen.music.performance import perform

SOUNDFONTS = [path for path in Path("/usr/share/sounds/sf2").glob("*.sf2") if path.is_file()]


def samples_of(data: bytes) -> tuple[NDArray[np.float64], int]:
    with wave.open(io.BytesIO(data)) as file:
        assert file.getframerate() == SAMPLE_RATE
        assert file.getsampwidth() == 2
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return frames.astype(np.float64), file.getnchannels()


def cents_off(sound: NDArray[np.float64], hertz: float) -> float:
    """Distance of the spectrum's peak near ``hertz`` from it, in cents, interpolated."""
    size = 4 * sound.size
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), size))
    step = SAMPLE_RATE / size
    low, high = int(hertz * 0.94 / step), int(hertz * 1.06 / step) + 2
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-12)
    peak_hertz = (peak + (left - right) / (2 * (left - 2 * middle + right))) * step
    return float(1200 * np.log2(peak_hertz / hertz))


@pytest.mark.parametrize("number", range(0, 128))
def test_every_note_is_within_five_cents(number: int) -> None:
    sound = pluck(number, SAMPLE_RATE)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1
    assert abs(cents_off(sound.astype(np.float64), frequency(number))) < 5


@pytest.mark.parametrize("number", range(36, 91, 6))
def test_a_string_dies_away_and_the_high_ones_sooner(number: int) -> None:
    def loudness(sounding: NDArray[np.float32], second: float) -> float:
        place = round(second * SAMPLE_RATE)
        return float(np.sqrt(np.mean(sounding[place : place + 4000] ** 2)))

    sound, higher = pluck(number, 2 * SAMPLE_RATE), pluck(number + 12, 2 * SAMPLE_RATE)
    assert loudness(sound, 0) > loudness(sound, 0.5) > loudness(sound, 1.5) > 0
    fall = loudness(sound, 0.8) / loudness(sound, 0.1)
    assert loudness(higher, 0.8) / loudness(higher, 0.1) < 1.1 * fall


def test_a_tunes_notes_sound_when_and_as_high_as_they_should() -> None:
    tune = parse_tune("X:1\nL:1/4\nM:4/4\nQ:1/4=60\nK:C\nC ^F c' [CEG]|[Q:1/4=120]z2 A,2|]")
    sound, channels = samples_of(write_wav(perform(tune)))
    assert channels == 1
    assert sound.size / SAMPLE_RATE == pytest.approx(6.15, abs=0.01)
    for second, number in ((0, 60), (1, 66), (2, 84), (3, 60), (3, 64), (3, 67), (5, 57)):
        part = sound[round((second + 0.05) * SAMPLE_RATE) : round((second + 0.95) * SAMPLE_RATE)]
        assert abs(cents_off(part, frequency(number))) < 5
    silence = sound[round(4.3 * SAMPLE_RATE) : round(4.9 * SAMPLE_RATE)]
    assert not silence.any()


def test_many_loud_notes_do_not_clip_and_soft_ones_are_softer() -> None:
    tune = parse_tune("X:1\nL:1/4\nK:C\n!fff![CEGceg]4|!ppp!c4|")
    sound, _ = samples_of(write_wav(perform(tune)))
    assert 0.85 * 32767 < np.abs(sound).max() <= 0.9 * 32767
    half = sound.size // 2
    assert np.abs(sound[half + 5000 :]).max() < np.abs(sound[:half]).max() / 4


def test_tempo_changes_move_what_follows() -> None:
    tune = parse_tune("X:1\nL:1/4\nQ:1/4=60\nK:C\nCC[Q:1/4=120]CC|")
    performance = perform(tune)
    onsets = [note.onset for note in performance.tracks[0].notes]
    assert onsets_in_seconds(performance, onsets).tolist() == pytest.approx([0, 1, 2, 2.5])


def test_silence_and_drums_and_the_same_bytes_twice() -> None:
    silent, _ = samples_of(write_wav(perform(parse_tune("X:1\nK:C\nz4|"))))
    assert not silent.any()
    drums = perform(parse_tune("X:1\nK:C\n%%MIDI channel 10\nB,,^F,D,|"))
    assert samples_of(write_wav(drums))[0].any()
    assert write_wav(drums) == write_wav(drums)


def test_what_lasts_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="lasts 40 minutes; sound is made for at most 30"):
        write_wav(perform(parse_tune("X:1\nQ:1/4=1\nK:C\nM:4/4\nZ8|c8|c8")))


def test_a_soundfont_plays_the_same_pitches() -> None:
    if importlib.util.find_spec("fluidsynth") is None or not SOUNDFONTS:
        pytest.skip("needs FluidSynth, its Python binding and a SoundFont in /usr/share/sounds/sf2")
    tune = parse_tune("X:1\nL:1/4\nQ:1/4=60\nK:C\nA c|")
    sound, channels = samples_of(write_wav(perform(tune), soundfont=SOUNDFONTS[0]))
    assert channels == 2
    left = sound[::2]
    for second, number in ((0, 69), (1, 72)):
        part = left[round((second + 0.1) * SAMPLE_RATE) : round((second + 0.9) * SAMPLE_RATE)]
        assert abs(cents_off(part, frequency(number))) < 10


def test_without_fluidsynth_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fluidsynth", None)
    with pytest.raises(OutputError, match=r"pip install 'seqgen\[soundfont\]'"):
        write_wav(perform(parse_tune("X:1\nK:C\nc")), soundfont=tmp_path / "x.sf2")


def test_a_missing_soundfont_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(soundfont, "_fluidsynth", lambda: None)
    with pytest.raises(InputError, match=r"x\.sf2: no such SoundFont"):
        write_wav(perform(parse_tune("X:1\nK:C\nc")), soundfont=tmp_path / "x.sf2")
