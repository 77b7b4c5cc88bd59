"""Performances as MIDI bytes, and MIDI bytes as notes."""

from __future__ import annotations

import io
from fractions import Fraction

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import InputError
from seqgen.music.midi import read, write
from seqgen.music.performance import Performance, Track, perform
from seqgen.music.playing import TimedNote
from seqgen.music.score import Key, Meter
from tests.music.notes import tune_of


def test_a_tune_byte_for_byte() -> None:
    tune = tune_of("E2 G4", "X:1\nT:Test\nM:6/8\nL:1/8\nK:Em\n")
    assert write(perform(tune)).hex(" ") == (
        # MThd: format 1, two tracks, 480 ticks to a quarter note
        "4d 54 68 64 00 00 00 06 00 01 00 02 01 e0 "
        # MTrk, 34 bytes
        "4d 54 72 6b 00 00 00 22 "
        "00 ff 03 04 54 65 73 74 "  # its name: Test
        "00 ff 51 03 07 a1 20 "  # 500,000 microseconds to a quarter note
        "00 ff 58 04 06 03 24 08 "  # 6/8, a click every 36 clocks
        "00 ff 59 02 01 01 "  # one sharp, minor
        "8b 20 ff 2f 00 "  # 1440 ticks later: the end
        # MTrk, 22 bytes
        "4d 54 72 6b 00 00 00 16 "
        "00 90 40 50 "  # E4 begins, velocity 80
        "83 60 80 40 00 "  # 480 ticks later it ends
        "00 90 43 50 "  # G4
        "87 40 80 43 00 "  # 960 ticks later
        "00 ff 2f 00"
    )


NOTES = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(1, 4000), st.integers(0, 127), st.integers(1, 127)),
    max_size=20,
)


def without_overlap(notes: list[tuple[int, int, int, int]]) -> tuple[TimedNote, ...]:
    """The notes less those that begin while one of their pitch sounds, which MIDI can't hold."""
    free: dict[int, int] = {}
    kept = []
    for note in sorted(TimedNote(*each) for each in notes):
        if free.get(note.pitch, 0) <= note.onset:
            kept.append(note)
            free[note.pitch] = note.onset + note.duration
    return tuple(kept)


@given(NOTES, st.integers(0, 15), st.fractions(20, 400, max_denominator=3))
def test_what_is_written_comes_back(
    notes: list[tuple[int, int, int, int]], channel: int, qpm: Fraction
) -> None:
    kept = without_overlap(notes)
    # 1920 divisions of a whole note are ticks.
    track = Track("Voice", channel, ((0, 24),), kept)
    meter, key = Meter((3,), 4), Key("D", "maj", (("C", 1), ("F", 1)))
    performance = Performance(
        "Title", 1920, (track,), ((0, qpm),), ((0, meter),), ((0, key),), 9000
    )
    found = read(write(performance))
    assert found.ticks_per_quarter == 480
    assert [each.notes for each in found.tracks] == ([kept] if kept else [])
    assert found.meters == ((0, Meter((3,), 4)),)
    assert found.keys == ((0, "D"),)
    assert abs(found.tempos[0][1] - qpm) < Fraction(1, 100)


def test_mido_reads_lyrics_programs_and_names() -> None:
    tune = tune_of("V:1 name=Flöte\n%%MIDI program 73\nC D\nw:la-la")
    file = mido.MidiFile(file=io.BytesIO(write(perform(tune))))
    kinds = [(message.type, getattr(message, "text", getattr(message, "name", ""))) for message in
             file.tracks[1]]  # fmt: skip
    assert ("track_name", "Flöte") in kinds
    assert [text for kind, text in kinds if kind == "lyrics"] == ["la", "la "]
    assert [message.program for message in file.tracks[1] if message.type == "program_change"] == [
        73
    ]


def test_titles_of_any_letters_are_written() -> None:
    performance = Performance("夢 \udc80", 8, (), ((0, Fraction(120)),), (), (), 0)
    assert "夢".encode() in write(performance)


GOOD = write(perform(tune_of("CDEF|G4|")))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not begin with MThd"),
        (b"RIFF....", "does not begin with MThd"),
        (GOOD[:30], "truncated"),
        (GOOD[:-3], "truncated"),
        (GOOD + b"xx", "begins no chunk"),
        (GOOD[:11] + b"\x09" + GOOD[12:], "declares 9 tracks"),
        (GOOD[:12] + b"\xe7\x28" + GOOD[14:], "film frames"),
        (b"MThd\0\0\0\2\0\1", "too short"),
        (b"MThd\0\0\0\6\0\1\0\1\x01\xe0MTrk\0\0\1\0" + b"\xff" * 256, "number without end"),
        (b"\0" * (16 << 20) + b"\0", "larger than 16 MiB"),
    ],
)
def test_what_is_no_midi_file_is_refused_in_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data, path="song.mid")


@given(st.data())
def test_damage_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(damaged))
    except InputError:
        return
    for track in found.tracks:
        assert all(note.duration >= 0 and 0 <= note.pitch <= 127 for note in track.notes)
