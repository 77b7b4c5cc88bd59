"""A score as sound."""

from __future__ import annotations

from fractions import Fraction

import pytest

from seqgen.music.accompaniment import chord_pitches
from seqgen.music.performance import Performance, perform
from tests.music.notes import HEADER, sounds, tune_of


def timed(performance: Performance, track: int = 0) -> list[tuple[Fraction, Fraction, int]]:
    """(onset, duration, pitch) in whole notes."""
    whole = performance.divisions
    return [
        (Fraction(note.onset, whole), Fraction(note.duration, whole), note.pitch)
        for note in performance.tracks[track].notes
    ]


def test_onsets_are_exact() -> None:
    assert timed(perform(tune_of("(3CDE (5CDEFG|c"))) == [
        (Fraction(0), Fraction(1, 12), 60), (Fraction(1, 12), Fraction(1, 12), 62),
        (Fraction(1, 6), Fraction(1, 12), 64),
        *[(Fraction(1, 4) + Fraction(index, 20), Fraction(1, 20), 60 + step)
          for index, step in enumerate((0, 2, 4, 5, 7))],
        (Fraction(1, 2), Fraction(1, 8), 72),
    ]  # fmt: skip


def test_grace_notes_take_their_time_from_the_note() -> None:
    grace, main, after = timed(perform(tune_of("{g}A2 B")))
    assert grace == (0, Fraction(1, 32), 79)
    assert main == (Fraction(1, 32), Fraction(1, 4) - Fraction(1, 32), 69)
    assert after[0] == Fraction(1, 4)
    short = timed(perform(tune_of("{gagaga}A/")))
    assert sum(duration for _, duration, _ in short) == Fraction(1, 16)
    assert short[-1][1] == Fraction(1, 32)  # never more than half


def test_a_tie_goes_to_the_next_note_that_is_played() -> None:
    assert sounds("|:A4 B4-:|B4 A4|") == [
        ("4", 69), ("4", 71), ("4", 69), ("8", 71), ("4", 69),
    ]  # fmt: skip


def test_staccato_is_short_and_accents_are_loud() -> None:
    first, second, third = perform(tune_of("A .A LA")).tracks[0].notes
    assert second.duration * 2 == first.duration
    assert third.velocity > second.velocity


def test_dynamics_hold_until_the_next() -> None:
    velocities = [note.velocity for note in perform(tune_of("A !p!A A !ff!A")).tracks[0].notes]
    assert velocities[1] == velocities[2] < velocities[0] < velocities[3]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("[K:C treble+8]C", 72), ("[K:C bass-8]C", 48), ("[K:C octave=-1]C", 48),
        ("[K:C transpose=-2]C", 58), ("%%MIDI transpose 3\nC", 63), ("[K:C clef=bass]C", 60),
        ("[I:MIDI=transpose 1]C", 61),
    ],
)  # fmt: skip
def test_what_moves_the_pitch(music: str, expected: int) -> None:
    assert [pitch for _, pitch in sounds(music)] == [expected]


def test_tempo_metre_and_key_have_their_times() -> None:
    performance = perform(tune_of("[Q:1/4=90]C8|[M:3/4][K:D][Q:1/4=60]D6|"))
    whole = performance.divisions
    assert performance.tempos == ((0, 90), (whole, 60))
    assert [(time, str(meter)) for time, meter in performance.meters] == [
        (0, "4/4"),
        (whole, "3/4"),
    ]
    assert [(time, key.tonic) for time, key in performance.keys] == [(0, "C"), (whole, "D")]
    assert performance.duration == whole * 7 // 4


def test_voices_are_tracks_with_programs_and_channels() -> None:
    performance = perform(
        tune_of("V:1\n%%MIDI program 40\nC\nV:2 name=Drum\n%%MIDI channel 10\nD\nV:3\nE")
    )
    first, second, third = performance.tracks
    assert (first.channel, first.programs) == (0, ((0, 40),))
    assert (second.channel, second.name) == (9, "Drum")
    assert third.channel == 2


def test_layers_sound_together() -> None:
    assert sorted(timed(perform(tune_of("C4D4&E8|F8|")))) == [
        (0, Fraction(1, 2), 60), (0, 1, 64), (Fraction(1, 2), Fraction(1, 2), 62), (1, 1, 65),
    ]  # fmt: skip


def test_chord_symbols_are_accompanied_when_asked() -> None:
    tune = tune_of('"Am"A8|"G7"G8|')
    assert len(perform(tune).tracks) == 1
    chords = timed(perform(tune, chords=True), 1)
    assert [(onset, pitch) for onset, _, pitch in chords if pitch < 55] == [
        (0, 45), (Fraction(1, 2), 45), (1, 43), (Fraction(3, 2), 43),
    ]  # fmt: skip
    assert {pitch for onset, _, pitch in chords if onset == Fraction(1, 4)} == {57, 60, 64}
    assert len(perform(tune_of("A8|"), chords=True).tracks) == 1


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("C", (48, (55, 60, 64))), ("Am/G", (43, (57, 60, 64))), ("F#m7", (42, (57, 61, 64, 66))),
     ("Bb", (46, (58, 62, 65))), ("(E)", (40, (56, 59, 64))), ("Ddim", (50, (56, 62, 65)))],
)  # fmt: skip
def test_chord_symbols(symbol: str, expected: tuple[int, tuple[int, ...]]) -> None:
    assert chord_pitches(symbol) == expected


@pytest.mark.parametrize("words", ["Fine", "D.C.", "Verse", "Coda", "", "4"])
def test_words_in_quotes_are_no_chords(words: str) -> None:
    assert chord_pitches(words) is None


def test_swing_makes_pairs_of_eighths_uneven() -> None:
    swung = timed(perform(tune_of("CDEF G2A>B|"), swing=Fraction(2)))
    assert [onset for onset, _, _ in swung[:5]] == [
        0, Fraction(1, 6), Fraction(1, 4), Fraction(5, 12), Fraction(1, 2),
    ]  # fmt: skip
    jig = HEADER.replace("4/4", "6/8")
    assert timed(perform(tune_of("CDEFGA|", jig), swing=Fraction(2))) == timed(
        perform(tune_of("CDEFGA|", jig))
    )


def test_pitches_that_midi_does_not_have_are_left_out() -> None:
    assert sounds("c''''''' C,,,,,, A") == [("1", 69)]
