"""A melody read from MIDI sounds as what was played, and is written as a musician would."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import InputError
from seqgen.music.abc.fields import parse_key
from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.melody import read_melody, spell
from seqgen.music.meter_and_key import estimate_key, estimate_meter, upbeat
from seqgen.music.midi import write
from seqgen.music.performance import perform
from seqgen.music.playing import TimedNote
from seqgen.music.quantisation import Sounding, quantise
from seqgen.music.score import Key, Meter, Tune
from tests.music.corpora import NAMES, tunes


def there_and_back(tune: Tune) -> Tune:
    (read,) = read_melody(write(perform(tune, graces=False)))
    return read


def heard(tune: Tune) -> list[tuple[int, int, int]]:
    """Onsets counted from the first note, since rests before it are left out."""
    performance = perform(tune, graces=False)
    whole = performance.divisions
    notes = sorted(
        (5040 * onset // whole, 5040 * duration // whole, number)
        for onset, duration, number, _ in performance.tracks[0].notes
    )
    return [(onset - notes[0][0], duration, number) for onset, duration, number in notes]


@pytest.mark.parametrize(
    "music",
    [
        "K:G\nGABc dBGB|c2A2 F2D2|(3GAB (3cBA G4|]",
        "K:F\nF3/2G/2 A4 B,2|=B,2 ^c2 [FAc]4|z2 F6|]",
        "K:C\nc8-|c4 z4|C2E2G2c2|]",
        "K:Am\nA2^G2A2B2|(3A4^G4A4|(3A2B2c2 (3:2:2A4B2|(5:4:5A/B/c/d/e/ A6|]",
    ],
)
def test_what_was_played_is_what_is_written(music: str) -> None:
    tune = parse_tune(f"X:1\nM:4/4\nL:1/8\nQ:1/4=112\n{music}\n")
    read = there_and_back(tune)
    assert heard(read) == heard(tune)
    assert (read.meter, read.key.alters) == (Meter((4,), 4), tune.key.alters)
    assert read.tempo is not None
    assert read.tempo.qpm == 112
    assert [bar.duration for bar in read.voices[0].bars] == [Fraction(1)] * len(read.voices[0].bars)


def test_the_text_is_readable() -> None:
    tune = parse_tune("X:1\nM:4/4\nL:1/8\nK:D\nD2FA d2f2|(3gfe (3dcB A4|B2G2 c4-|c2 A2 d4|]")
    written = write_tune(there_and_back(tune)).splitlines()
    assert written[-2] == "K:D"
    assert written[-1] == "D2 FA d2 f2 | (3gfe(3dcB A4 | B2 G2 c4- | c2 A2 d4 |]"


def played(numbers: list[int], ticks: int = 480, jitter: int = 0) -> list[TimedNote]:
    return [
        TimedNote(index * ticks + (jitter if index % 2 else 0), ticks - 20, number, 80)
        for index, number in enumerate(numbers)
    ]


def test_notes_played_a_little_early_or_late_take_their_place() -> None:
    notes = quantise(played([60, 62, 64, 65], 240, 12), 480)
    assert [note.onset for note in notes] == [Fraction(number, 8) for number in range(4)]
    assert [note.duration for note in notes] == [Fraction(1, 8)] * 4


def test_notes_that_begin_together_are_a_chord_and_others_are_cut() -> None:
    notes = quantise(
        [TimedNote(0, 960, 60, 80), TimedNote(3, 960, 64, 80), TimedNote(480, 960, 67, 80)], 480
    )
    assert notes == [
        Sounding(Fraction(0), Fraction(1, 4), (60, 64)),
        Sounding(Fraction(1, 4), Fraction(1, 2), (67,)),
    ]


@pytest.mark.parametrize(
    ("key", "number", "name"),
    [
        ("C", 66, "F#"), ("C", 70, "Bb"), ("F", 66, "F#"), ("D", 70, "A#"), ("D", 72, "C"),
        ("Am", 68, "G#"), ("Eb", 66, "Gb"), ("Eb", 69, "A"), ("F#", 65, "E#"), ("Gb", 71, "Cb"),
        ("Gm", 66, "F#"), ("E", 60, "B#"),
    ],
)  # fmt: skip
def test_spelling_follows_the_key(key: str, number: int, name: str) -> None:
    found = spell(number, parse_key(key)[0] or Key())
    assert found.midi == number
    assert found.step + {1: "#", 0: "", -1: "b"}[found.alter] == name


@given(st.integers(0, 127), st.integers(-7, 7))
def test_every_number_is_spelled_with_one_accidental_or_two(number: int, fifths: int) -> None:
    names = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
    found = spell(number, parse_key(names[fifths + 7])[0] or Key())
    assert found.midi == number
    assert -2 <= found.alter <= 2


def test_metre_key_and_upbeat_are_estimated_where_the_file_says_nothing() -> None:
    waltz = parse_tune("X:1\nM:3/4\nL:1/4\nK:G\n" + "G3|BAG|A3|cBA|B3|dcB|A2 F|G3|" * 2)
    notes = quantise(perform(waltz).tracks[0].notes, perform(waltz).divisions // 4)
    assert estimate_meter(notes) == Meter((3,), 4)
    assert estimate_key(notes).tonic == "G"
    assert upbeat(notes, Meter((3,), 4)) == 0
    with_upbeat = parse_tune("X:1\nM:3/4\nL:1/4\nK:Dm\nA|" + "d3|fed|^c3|eAA|" * 2 + "d2|]")
    notes = quantise(perform(with_upbeat).tracks[0].notes, perform(with_upbeat).divisions // 4)
    assert upbeat(notes, Meter((3,), 4)) == Fraction(1, 4)
    assert estimate_key(notes) == parse_key("Dm")[0]


def midi_of(*tracks: list[mido.Message]) -> bytes:
    import io

    file = mido.MidiFile(ticks_per_beat=96)
    for messages in tracks:
        track = mido.MidiTrack()
        track.extend(messages)
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def notes_of(numbers: list[int], channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message(kind, note=number, velocity=64, time=96 * off, channel=channel)
        for number in numbers
        for off, kind in enumerate(("note_on", "note_off"))
    ]


def test_the_melody_is_the_highest_full_track_and_never_the_drums() -> None:
    data = midi_of(
        notes_of([36, 38] * 8, 9), notes_of([48, 43] * 8), notes_of([72, 74, 76, 77] * 4),
        notes_of([96]),
    )  # fmt: skip
    (tune,) = read_melody(data, path="song.mid")
    assert {number for _, _, number in heard(tune)} == {72, 74, 76, 77}
    assert tune.titles == ("song",)


def test_a_file_of_drums_alone_holds_no_melody() -> None:
    with pytest.raises(InputError, match=r"drums\.mid: holds no melody"):
        read_melody(midi_of(notes_of([36, 38], 9)), path="drums.mid")


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 900), st.integers(0, 127)),
                min_size=1, max_size=30))  # fmt: skip
def test_any_notes_make_a_tune_that_can_be_written(
    notes: list[tuple[int, int, int]],
) -> None:
    sounding = quantise(sorted(TimedNote(*each, 80) for each in notes), 96)
    onsets = [each.onset for each in sounding]
    assert onsets == sorted(set(onsets))
    assert all(each.duration > 0 for each in sounding)
    assert all(a.onset + a.duration <= b.onset for a, b in pairwise(sounding))


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_of_each_collection_sounds_the_same(name: str) -> None:
    chosen = [each for each in list(tunes(name, every=7))[:300:20] if len(each.voices) == 1]
    different = [each.title for each in chosen if heard(there_and_back(each)) != heard(each)]
    # A staccato thirty-second ends off the grid.
    assert different in ([], ["Tidal Wave -- Jig"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_collections_sound_the_same(name: str) -> None:
    chosen = [tune for tune in tunes(name) if len(tune.voices) == 1]
    equal = sum(heard(there_and_back(tune)) == heard(tune) for tune in chosen)
    # A few tunes hold overlays, or values finer than the grid.
    assert equal >= 0.99 * len(chosen)
