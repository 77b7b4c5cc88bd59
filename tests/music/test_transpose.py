"""Transposition moves every sound by the same distance, and is spelled by the rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import UsageError
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.abc.writer import write_tune, write_tunes
from seqgen.music.jumps import route
from seqgen.music.performance import perform
from seqgen.music.score import Tune, pitch
from seqgen.music.transpose import Interval, interval_between, transpose, transpose_chord_symbol
from tests.music.corpora import NAMES, tunes


def heard(tune: Tune, semitones: int = 0) -> list[list[tuple[int, int, int]]]:
    """Onset, duration and pitch of each track's notes, percussion left where it is."""
    performance = perform(tune)
    whole = performance.divisions
    return [
        [(onset * 5040 // whole, duration * 5040 // whole, number + semitones)
         for onset, duration, number, _ in track.notes]
        for track in performance.tracks
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("semitones", "key", "music"),
    [
        (2, "K:E", "|: ^EGB | d =g^A_c :|"),
        (-2, "K:C", "|: ^CEG | B _e^F__A :|"),
        (1, "K:Eb", "|: =EGB | d _g=A__c :|"),
    ],
)
def test_a_written_accidental_stays_one(semitones: int, key: str, music: str) -> None:
    tune = parse_tune("X:1\nL:1/8\nK:D\n|: ^DFA | c =f^G__B :|")
    lines = write_tune(transpose(tune, semitones)).splitlines()
    assert (lines[2], lines[3]) == (key, music)


@pytest.mark.parametrize(
    ("key", "semitones", "expected"),
    [
        ("G", 5, "C"), ("G", 6, "Db"), ("Am", 1, "Bbm"), ("Ador", 2, "Bdor"), ("C", 6, "F#"),
        ("F#", 12, "F#"), ("C#", 12, "C#"), ("Bb", -1, "A"), ("Emix", 3, "Gmix"),
        ("D exp _b ^f", 2, "E exp =c ^g"), ("D ^g", -2, "C ^f"), ("Hp", 2, "E"), ("HP", -2, "C"),
        ("none", 3, "none"), ("G clef=bass", 2, "A clef=bass"),
    ],
)  # fmt: skip
def test_keys(key: str, semitones: int, expected: str) -> None:
    tune = parse_tune(f"X:1\nK:{key}\nABc|\n[K:{key}]def|]")
    written = write_tune(transpose(tune, semitones))
    assert f"\nK:{expected}\n" in written
    assert f"K:{expected}" in written.splitlines()[3:][-1] + written.splitlines()[-2]


@pytest.mark.parametrize(
    ("symbol", "key", "semitones", "expected"),
    [
        ("Am7", "C", 2, "Bm7"), ("F#m/C#", "D", 1, "Gm/D"), ("Bb", "F", -1, "A"),
        ("(G)", "G", 4, "(B)"), ("C/e", "C", 5, "F/a"), ("Fine", "C", 2, "Fine"),
        ("D.C.", "C", 2, "D.C."), ("Gsus4", "G", 7, "Dsus4"),
        ("B", "E", 1, "C"), ("Coda", "C", 2, "Coda"),
    ],
)  # fmt: skip
def test_chord_symbols(symbol: str, key: str, semitones: int, expected: str) -> None:
    interval = interval_between(parse_tune(f"X:1\nK:{key}\nA").key, semitones)
    assert transpose_chord_symbol(symbol, interval) == expected


def test_graces_chords_and_percussion() -> None:
    tune = parse_tune('X:1\nL:1/8\nK:C\n"C"{^f}[CEG]2 z|\n%%MIDI channel 10\nCDE|]')
    assert '"D"{^g}[DFA]2 z | =CDE |]' in write_tune(transpose(tune, 2)).replace(
        "\n%%MIDI channel 10\n", " "
    )


def test_an_interval_respells_what_needs_three_accidentals() -> None:
    tune = parse_tune("X:1\nK:F#\n^^F|")
    for semitones in range(-12, 13):
        assert heard(transpose(tune, semitones)) == heard(tune, semitones)
    assert Interval(1, 2).above(pitch("B", 2, 4)) == pitch("D", 1, 5)


def test_too_far_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 60 up or down"):
        transpose(parse_tune("X:1\nK:C\nC"), 61)


@given(
    st.sampled_from(["C", "F#", "Gb", "Ador", "C#lyd", "Cbloc", "none", "D exp _b ^f", "Hp",
                     "E ^d"]),
    st.lists(st.sampled_from(
        ["A", "^c", "_B", "=F", "__e", "^^G", "[CE_G]", "A-", "{^g}a", "|", "|:", " ", "[K:Eb]",
         "[K:F#m]", "(3ABc", "&", "\n"]), max_size=20),
    st.integers(-12, 12),
)  # fmt: skip
def test_everything_sounds_that_far_away_and_comes_back(
    key: str, music: list[str], semitones: int
) -> None:
    tune = next(parse(f"X:1\nL:1/8\nK:{key}\n{''.join(music)}\n")).tune
    if tune is None:
        return
    moved = transpose(tune, semitones)
    assert heard(moved) == heard(tune, semitones)
    assert heard(parse_tune(write_tune(moved))) == heard(tune, semitones)
    assert heard(transpose(moved, -semitones)) == heard(tune)
    if semitones % 12:
        assert abs(moved.key.fifths) <= 6 or moved.key.explicit


def oracle(text: str, semitones: int, folder: Path) -> list[Tune]:
    source = folder / "tunes.abc"
    source.write_text(text, encoding="utf-8")
    command = ["abc2abc", str(source), "-t", str(semitones), "-e"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = [each.tune for each in parse(done.stdout.decode("utf-8", "replace"))]
    return [tune for tune in found if tune is not None]


def compare_with_abc2abc(chosen: list[Tune], folder: Path) -> float:
    if shutil.which("abc2abc") is None:
        pytest.skip("abc2abc is not installed; it is in Debian's package abcmidi")
    # abc2abc transposes the first letter of "D.C." in quotes as if it were a chord.
    chosen = [tune for tune in chosen if not any(route(each.bars).jumps for each in tune.voices)]
    equal = total = 0
    for semitones in range(1, 13):
        theirs = oracle(write_tunes(chosen), semitones, folder)
        assert len(theirs) == len(chosen)
        for tune, expected in zip(chosen, theirs, strict=True):
            moved = transpose(tune, semitones)
            assert moved.key.fifths == expected.key.fifths, (tune.title, semitones)
            equal += heard(moved) == heard(expected)
            total += 1
    return equal / total


def test_a_slice_agrees_with_abc2abc(tmp_path: Path) -> None:
    assert compare_with_abc2abc(list(tunes("ryansMammoth", every=40)), tmp_path) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "essenFolksong"])
def test_collections_agree_with_abc2abc(name: str, tmp_path: Path) -> None:
    # abc2abc loses the repeat dots of ||: and :| [|, so a few tunes sound different.
    assert compare_with_abc2abc(list(tunes(name)), tmp_path) >= 0.998
