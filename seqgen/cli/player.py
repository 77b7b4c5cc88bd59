"""Finds something on this system that can play sound, and plays with it."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from seqgen.errors import OutputError

__all__ = ["NO_PLAYER", "play_wav", "system_player"]

# What plays a WAV file and then ends, with its arguments: PipeWire, PulseAudio, ALSA, macOS, SoX,
# FFmpeg, mpv.
_PLAYERS: tuple[tuple[str, ...], ...] = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("play", "-q"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("mpv", "--no-video", "--really-quiet"),
)
NO_PLAYER = (
    "nothing on this system plays sound: install one of aplay, paplay, ffplay or mpv, or "
    "pip install 'seqgen[play]'; or write a file with -o song.wav"
)


def system_player() -> list[str] | None:
    """The command of the first player that is installed, without the file's name."""
    for command, *arguments in _PLAYERS:
        found = shutil.which(command)
        if found is not None:
            return [found, *arguments]
    return None


def play_wav(data: bytes) -> None:
    """Play a WAV file to its end.

    Raises:
        OutputError: there is no player, or it can't play.
    """
    player = system_player()
    if player is not None:
        _play_by_command(player, data)
    elif sys.platform == "win32":
        import winsound

        winsound.PlaySound(data, winsound.SND_MEMORY)
    elif importlib.util.find_spec("sounddevice") is not None:
        _play_by_sounddevice(data)
    else:
        raise OutputError(NO_PLAYER)


def _play_by_command(player: list[str], data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="seqgen-") as folder:
        path = Path(folder) / "tune.wav"
        path.write_bytes(data)
        done = subprocess.run(
            [*player, str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"exit status {done.returncode}"
        raise OutputError(
            f"{Path(player[0]).name} can't play: {reason}; write a file with -o song.wav"
        )


def _play_by_sounddevice(data: bytes) -> None:
    import numpy as np

    try:
        import sounddevice

        with wave.open(io.BytesIO(data)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            sounddevice.play(samples.reshape(-1, file.getnchannels()), file.getframerate())
            sounddevice.wait()
    except OSError as error:  # its library is missing
        raise OutputError(NO_PLAYER) from error
    except Exception as error:  # sounddevice's own, such as no device
        raise OutputError(f"can't play: {error}; write a file with -o song.wav") from error
