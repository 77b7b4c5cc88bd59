"""What a model has drawn, in the form that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.cli.console import detail
from seqgen.cli.destination import SUMMARY
from seqgen.errors import InputError, SeqgenError

if TYPE_CHECKING:
    from seqgen.music.performance import Performance
    from seqgen.sampling.sampler import Sampler

__all__ = ["playable", "render"]

REDRAWS = 20  # of a tune that can't be played, before giving up


def render(text: str, form: str, stamp: str = "") -> bytes:
    """A piece of MIDI in a form.

    Args:
        text: its events.
        stamp: says where it comes from, in ABC and MIDI; may be empty.
        form: ``mid``; ``abc``, which keeps the melody alone; ``txt``, its events; or SUMMARY.
    Raises:
        InputError: there is no melody to write as ABC, since only drums play.
    """
    if form == "txt":
        return text.encode()
    from seqgen.music import midi
    from seqgen.music.remi.writer import perform

    performance = perform(text)
    if form == SUMMARY:
        return _summary(performance, text.count("Bar_None")).encode()
    if form == "mid":
        return midi.write(performance, text=stamp)
    data = midi.write(performance)
    from seqgen.music.abc.writer import write_tunes
    from seqgen.music.melody import read_melody

    tunes = write_tunes(read_melody(data))
    return f"{stamp}\n{tunes}".encode() if stamp else tunes.encode()


def playable(sampler: Sampler, number: int, text: str, stamp: str = "") -> tuple[str, bytes]:
    """Sample ``number``, as ABC and MIDI, or another draw of it if it can't be played.

    Args:
        text: the sample.
        stamp: says in MIDI where it comes from; may be empty.
    Raises:
        SeqgenError: none of many can.
    """
    from seqgen.music import midi
    from seqgen.music.abc.parser import parse_tune
    from seqgen.music.performance import perform

    refused: SeqgenError | None = None
    for attempt in range(1, REDRAWS + 1):
        try:
            performance = perform(parse_tune(text))
            if not any(track.notes for track in performance.tracks):
                raise InputError("this tune has no notes")
            return text, midi.write(performance, text=stamp)
        except InputError as error:
            refused = error
            detail(f"drawn again: {error}")
        if attempt < REDRAWS:
            text = sampler.text(number, attempt=attempt)
    raise SeqgenError(
        f"none of {REDRAWS} tunes could be played, the last because: {refused}; a lower "
        "--temperature or a longer trained model helps"
    )


def _summary(performance: Performance, bars: int) -> str:
    """Bars, metres, length and tempo in a line, then a line a program."""
    from seqgen.music.audio import onsets_in_seconds
    from seqgen.music.performance import DRUM_CHANNEL

    seconds = round(float(onsets_in_seconds(performance, [performance.duration])[0]))
    metres = ", ".join(dict.fromkeys(f"{meter}" for _, meter in performance.meters))
    tempos = [round(qpm) for _, qpm in performance.tempos]
    tempo = f"{min(tempos)}" if len(set(tempos)) == 1 else f"{min(tempos)} to {max(tempos)}"
    length = f"{seconds // 60}:{seconds % 60:02d}"
    lines = [f"{bars} bar{'s' * (bars != 1)} of {metres}, {length}, {tempo} quarter notes a minute"]
    for track in performance.tracks:
        count = len(track.notes)
        pitches = [note.pitch for note in track.notes]
        drums = track.channel == DRUM_CHANNEL
        lines.append(
            ("drums" if drums else f"program {track.programs[0][1]}")
            + f": {count} note{'s' * (count != 1)}"
            + ("" if drums else f", MIDI pitches {min(pitches)} to {max(pitches)}")
        )
    return "\n".join(lines) + "\n"
