"""MIDI as REMI+ events: words as MidiTok spells them, and back to the same words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from random import Random

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import InputError
from seqgen.music.midi import write
from seqgen.music.performance import Performance, TimedNote, Track
from seqgen.music.remi.grammar import MAX_PROGRAMS, START, State, advance, choices, least
from seqgen.music.remi.reader import read
from seqgen.music.remi.words import WORDS, Event, spell
from seqgen.music.remi.writer import perform
from seqgen.music.score import Meter

DIVISIONS = 4 * 480  # of a whole note, so that times below are in ticks


def midi_of(
    *tracks: Track,
    tempos: Sequence[tuple[int, int]] = (),
    meters: Sequence[tuple[int, tuple[int, int]]] = (),
) -> bytes:
    """A MIDI file of 480 ticks a quarter note."""
    return write(
        Performance(
            "",
            DIVISIONS,
            tracks,
            tuple((time, Fraction(qpm)) for time, qpm in tempos),
            tuple((time, Meter((beats,), unit)) for time, (beats, unit) in meters),
            (),
            max((n.onset + n.duration for track in tracks for n in track.notes), default=0),
        )
    )


def track(*notes: tuple[int, int, int, int], program: int = 0, channel: int = 0) -> Track:
    programs = () if channel == 9 else ((0, program),)
    return Track("", channel, programs, tuple(TimedNote(*note) for note in notes))


def words(*tracks: Track, **events: Sequence[tuple[int, object]]) -> str:
    return " ".join(read(midi_of(*tracks, **events)).split())  # type: ignore[arg-type]


def test_a_piece_word_for_word() -> None:
    fiddle = track((0, 240, 64, 90), (0, 240, 72, 90), (1440, 720, 76, 64), program=40)
    drums = track((0, 120, 36, 110), (250, 120, 42, 60), channel=9)
    bass = track((0, 720, 40, 80), program=32, channel=1)

    found = words(
        fiddle, drums, bass, tempos=[(0, 120), (720, 151)], meters=[(0, (6, 8)), (1440, (2, 4))]
    )

    assert found == (
        "Bar_None TimeSig_6/8 "
        "Position_0 Tempo_120.0 "
        "Program_-1 PitchDrum_36 Velocity_111 Duration_0.3.12 "
        "Program_32 Pitch_40 Velocity_79 Duration_1.6.12 "
        "Program_40 Pitch_64 Velocity_91 Duration_0.6.12 Pitch_72 Velocity_91 Duration_0.6.12 "
        "Position_6 Program_-1 PitchDrum_42 Velocity_59 Duration_0.3.12 "
        "Position_18 Tempo_150.0 "
        "Bar_None TimeSig_2/4 "
        "Position_0 Program_40 Pitch_76 Velocity_63 Duration_1.6.12"
    )


def test_the_words_are_midi_toks() -> None:
    assert len(WORDS) == 1 + 44 + 96 + 43 + 129 + 128 + 128 + 32 + 100
    for word in ("TimeSig_12/8", "Tempo_30.0", "Tempo_240.0", "Velocity_3", "Velocity_127"):
        assert word in WORDS
    assert WORDS["Duration_3.11.12"] == ("Duration", 47)
    assert WORDS["Duration_4.0.4"] == ("Duration", 48)
    assert WORDS["Duration_11.3.4"] == ("Duration", 141)
    assert WORDS["Duration_12.0.1"] == ("Duration", 144)
    assert WORDS["Duration_32.0.1"] == ("Duration", 384)
    assert all(spell(event) == word for word, event in WORDS.items())


def test_midi_tok_makes_the_same_of_files_in_quarter_note_metres(tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    miditok = pytest.importorskip("miditok")
    tokenizer = miditok.REMI(
        miditok.TokenizerConfig(
            pitch_range=(0, 127),
            drums_pitch_range=(0, 127),
            beat_res={(0, 4): 12, (4, 12): 4, (12, 32): 1},
            num_velocities=32,
            use_tempos=True,
            num_tempos=43,
            tempo_range=(30, 240),
            use_time_signatures=True,
            time_signature_range={4: list(range(1, 9))},
            use_programs=True,
            program_changes=True,
            remove_duplicated_notes=True,
            delete_equal_successive_tempo_changes=True,
        )
    )
    folder = tmp_path_factory.mktemp("files")
    random = Random(0)
    for number in range(30):
        meter = random.choice([(2, 4), (3, 4), (4, 4), (5, 4)])
        tracks = [track(*_line(random), channel=9)]
        tracks += [
            track(*_line(random), program=program, channel=channel)
            for channel, program in enumerate(sorted(random.sample(range(128), 3)))
        ]
        tempos = [(0, 120), (random.randrange(2000), random.randrange(40, 230))]
        path = folder / f"{number}.mid"
        path.write_bytes(midi_of(*tracks, tempos=tempos, meters=[(0, meter)]))
        assert tokenizer(str(path)).tokens == read(path.read_bytes()).split()


def _line(random: Random) -> list[tuple[int, int, int, int]]:
    """Notes of one track that do not overlap, a little off the grid, the last at its end."""
    notes, now = [], 0
    for _ in range(20):
        now += random.choice([0, 120, 160, 240, 480])
        length = random.choice([80, 120, 160, 240])
        early = random.randrange(-9, 10) if now else 0
        notes.append(
            (now + early, length - early, random.randrange(30, 90), random.randrange(1, 128))
        )
        now += length
    return [*notes, (8000, 480, 60, 80)]


def walk(seed: int, steps: int) -> list[Event]:
    """Words drawn at random from what may come, then the shortest way to an end."""
    random = Random(seed)
    weight = {"Bar": random.choice([0.1, 1, 5]), "Duration": 5, "Pitch": random.choice([1, 9])}
    state, events = START, []
    while steps > 0 or not state.final:
        found = choices(state)
        if steps <= 0:
            event = _shortest(state)
        else:
            kinds = list(found)
            kind = random.choices(kinds, [weight.get(kind, 1) for kind in kinds])[0]
            values = sorted(found[kind])
            few = 3 if seed % 2 else len(values)  # programs and pitches that come again
            event = Event(kind, random.choice(values[:few]))
        after = advance(state, event)
        assert after is not None
        state = after
        events.append(event)
        steps -= 1
    return events


def _shortest(state: State) -> Event:
    """A word that brings the end nearer by one."""
    for kind, values in choices(state).items():
        for value in list(values)[:1]:
            after = advance(state, Event(kind, value))
            if after is not None and least(after) == least(state) - 1:
                return Event(kind, value)
    raise AssertionError(f"no way to an end from {state}")


@pytest.mark.parametrize("seed", range(60))
def test_every_valid_sequence_is_written_and_read_back_word_for_word(seed: int) -> None:
    text = "".join(f"{spell(event)}\n" for event in walk(seed, Random(seed).randrange(300)))
    data = write(perform(text))
    assert read(data) == text
    assert mido.MidiFile(file=io.BytesIO(data)).length > 0


NOTES = st.lists(
    st.tuples(
        st.integers(0, 9000), st.integers(1, 30_000), st.integers(60, 64), st.integers(1, 127)
    ),
    min_size=1,
    max_size=12,
)


@given(NOTES, NOTES, st.sampled_from([(4, 4), (6, 8), (2, 2), (15, 16), (4, 1), (5, 32)]))
def test_any_midi_becomes_a_valid_sequence_that_is_stable(
    first: list[tuple[int, int, int, int]],
    second: list[tuple[int, int, int, int]],
    meter: tuple[int, int],
) -> None:
    data = midi_of(
        track(*first, program=7), track(*second, program=7, channel=3), meters=[(960, meter)]
    )
    text = read(data)
    assert read(write(perform(text))) == text


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_refused_or_read(changes: list[tuple[float, int]]) -> None:
    data = bytearray(
        midi_of(
            track((0, 240, 60, 80), (240, 240, 64, 80), program=5),
            track((0, 480, 36, 80), channel=9),
            tempos=[(0, 120), (240, 90)],
            meters=[(0, (3, 4))],
        )
    )
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    text = ""
    with suppress(InputError):
        text = read(bytes(data))
    assert not text or read(write(perform(text))) == text


def test_times_move_to_the_nearest_twelfth_of_a_quarter_note() -> None:
    # 40 ticks a position: 59 is nearest to 1, 61 to 2; a note is never shorter than one.
    text = words(track((59, 1, 60, 80), (461, 1000, 62, 80)))
    assert "Position_1 Program_0 Pitch_60 Velocity_79 Duration_0.1.12" in text
    assert text.endswith("Position_12 Pitch_62 Velocity_79 Duration_2.1.12")


def test_a_note_that_begins_again_ends_the_one_that_sounds() -> None:
    text = words(track((0, 960, 60, 80), (0, 480, 64, 80)), track((480, 480, 60, 80), channel=1))
    assert "Pitch_60 Velocity_79 Duration_1.0.12 Pitch_64" in text
    # Of two that begin together the longer stays.
    text = words(track((0, 240, 60, 80)), track((0, 480, 60, 40), channel=1))
    assert text.split()[4:] == ["Program_0", "Pitch_60", "Velocity_39", "Duration_1.0.12"]


def test_more_programs_than_channels_go_to_the_nearest() -> None:
    # Fifteen programs with two notes each; the sixteenth has one.
    many = [track((0, 240, 60, 80), (480, 240, 60, 80), program=p, channel=0) for p in range(15)]
    odd = track((960, 240, 61, 80), program=100, channel=1)
    text = words(*many, odd)
    programs = {word for word in text.split() if word.startswith("Program")}
    assert programs == {f"Program_{p}" for p in range(MAX_PROGRAMS)}
    assert text.endswith(
        "Program_14 Pitch_60 Velocity_79 Duration_0.6.12 "
        "Position_24 Pitch_61 Velocity_79 Duration_0.6.12"
    )


def test_a_change_of_metre_waits_for_the_bar_line_and_unknown_ones_are_common_time() -> None:
    notes = track(*((beat * 480, 480, 60, 80) for beat in range(12)))
    text = words(notes, meters=[(0, (4, 4)), (960, (3, 4)), (3360, (9, 1))])
    assert [word for word in text.split() if word.startswith("TimeSig")] == [
        "TimeSig_4/4", "TimeSig_3/4", "TimeSig_4/4", "TimeSig_4/4",
    ]  # fmt: skip


def test_programs_of_a_format_0_file_and_of_another_track() -> None:
    file = mido.MidiFile(type=0)
    file.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("program_change", channel=2, program=25),
                mido.Message("note_on", channel=2, note=60, velocity=80),
                mido.Message("note_on", channel=9, note=38, velocity=80),
                mido.Message("note_off", channel=2, note=60, time=480),
                mido.Message("note_off", channel=9, note=38),
            ]
        )
    )
    assert _words_of(file).endswith(
        "Program_-1 PitchDrum_38 Velocity_79 Duration_1.0.12 "
        "Program_25 Pitch_60 Velocity_79 Duration_1.0.12"
    )
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.Message("program_change", channel=2, program=25)]))
    file.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("note_on", channel=2, note=60, velocity=80),
                mido.Message("note_off", channel=2, note=60, time=480),
            ]
        )
    )
    assert "Program_25 Pitch_60" in _words_of(file)


def _words_of(file: mido.MidiFile) -> str:
    out = io.BytesIO()
    file.save(file=out)
    return " ".join(read(out.getvalue()).split())


def test_a_file_without_notes_is_no_piece() -> None:
    assert read(midi_of(tempos=[(0, 100)])) == ""


def test_endless_silence_is_refused() -> None:
    late = track((0, 480, 60, 80), (200_000_000, 480, 60, 80))
    with pytest.raises(InputError, match=r"^far\.mid: is longer than 20,000 bars"):
        read(midi_of(late), path="far.mid")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Bar_None Bar_None", "word 2, Bar_None, can't stand there"),
        ("Bar_None TimeSig_4/4 Position_0 Tempo_120.0 Duration_1.0.12", "word 5, Duration_1.0.12"),
        ("Bar_None TimeSig_3/4 Position_0 Tempo_120.0 Position_36", "word 5, Position_36"),
        ("Bar_None TimeSig_9/1", "word 2, TimeSig_9/1, is no event"),
        ("Bar_None TimeSig_4/4 Position_0 Tempo_120.0 Program_0 Pitch_60", "within a note"),
        ("", "empty"),
    ],
)
def test_what_is_no_piece_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        perform(text)


def state_after(text: str) -> State:
    state: State | None = START
    for word in text.split():
        assert state is not None
        state = advance(state, WORDS[word])
    assert state is not None
    return state


OPENING = "Bar_None TimeSig_4/4 Position_0 Tempo_120.0 Program_9 Pitch_60 Velocity_79 "


def test_what_may_follow_a_note() -> None:
    state = state_after(OPENING + "Duration_2.0.12")
    now = choices(state)
    assert state.final
    assert min(now["Pitch"]) == 61  # ascending, at the same position
    assert min(now["Program"]) == 10
    assert min(now["Position"]) == 1
    assert max(now["Position"]) == 47
    later = state_after(OPENING + "Duration_2.0.12 Position_12")
    assert 60 not in choices(later)["Pitch"]  # it sounds
    assert 59 in choices(later)["Pitch"]
    assert 9 not in choices(later)["Program"]  # said already
    assert 120 not in choices(later)["Tempo"]
    assert 60 in choices(state_after(OPENING + "Duration_2.0.12 Position_24"))["Pitch"]
    drums = state_after(OPENING + "Duration_2.0.12 Position_24 Program_-1")
    assert set(choices(drums)) == {"PitchDrum"}


def test_no_more_programs_than_channels_are_drawn() -> None:
    text = "Bar_None TimeSig_4/4 Position_0 Tempo_120.0 "
    text += "".join(f"Program_{p} Pitch_60 Velocity_79 Duration_0.1.12 " for p in range(15))
    assert "Program" not in choices(state_after(text))
    assert set(choices(state_after(text + "Position_5"))["Program"]) == {-1, *range(14)}


@pytest.mark.parametrize(
    ("text", "words_to_go"),
    [
        ("", 8),
        ("Bar_None", 7),
        ("Bar_None TimeSig_4/4 Position_0 Tempo_120.0", 4),
        (OPENING, 1),
        (OPENING + "Duration_2.0.12", 0),
        (OPENING + "Duration_2.0.12 Bar_None", 5),
        (OPENING + "Duration_2.0.12 Position_1 Tempo_90.0", 3),
    ],
)
def test_the_shortest_way_to_an_end(text: str, words_to_go: int) -> None:
    assert least(state_after(text)) == words_to_go
