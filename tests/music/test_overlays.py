"""Overlays of one bar and of several (7.4)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from seqgen.music.abc.lexer import Kind
from seqgen.music.abc.overlays import bar_by_bar
from seqgen.music.abc.writer import write_tune
from seqgen.music.music21_reader import read_musicxml
from seqgen.music.musicxml.writer import write_musicxml
from seqgen.music.performance import perform
from seqgen.music.score import Tune
from tests.music.notes import HEADER, codes, parsed, tune_of

QUARTERS = HEADER.replace("L:1/8", "L:1/4")


def body(music: str) -> str:
    """The music as it is written back."""
    return write_tune(tune_of(music, QUARTERS)).split("K:C\n")[1].strip()


def sounding(tune: Tune) -> list[tuple[Fraction, Fraction, int]]:
    performance = perform(tune)
    return sorted(
        (Fraction(onset, performance.divisions), Fraction(length, performance.divisions), number)
        for onset, length, number, _ in performance.tracks[0].notes
    )


@pytest.mark.parametrize(
    ("music", "meaning"),
    [
        ("G4|(&cBAG|GFED&gfed|defg&)|G4|", "G4|cBAG&gfed|GFED&defg|G4|"),
        ("G4|(&cBAG|GFED|&gfed|defg|&)G4|", "G4|cBAG&gfed|GFED&defg|G4|"),
        ("(&A4|B4&c4|d4&e4|f4&)|", "A4&c4&e4|B4&d4&f4|"),
        ("|:(&A4|B4&c4|d4&):|G4|", "|:A4&c4|B4&d4:|G4|"),
        ("(&A4|B4\n&c4|d4&)|\nG4|", "A4&c4|B4&d4|\nG4|"),
        ("(&A4|B&c4|d&)GAB|", "A4&c4|BGAB&dx3|"),  # the first layer goes on
        ("g4|e3e|\n&&(d4|c3)c|", "g4&(d4|e3e&c3)c|"),  # as the standard has it
        ("A4|B4|c4|\n&&d4|e4|\nf4|", "A4|B4&d4|c4&e4|\nf4|"),
        ("A4|B4|\n&&c4|d4|\n&&e4|f4|]", "A4&c4&e4|B4&d4&f4|]"),
        ("A4|B4&&c4|d4|e4|", "A4&c4|B4&d4|e4|"),
        ("A4|\n&c4|B4|", "A4&c4|B4|"),  # back over one bar line
        ("A4&c4|B4|", "A4&c4|B4|"),
        ("(&^c4|d4&c4|^d4&)|c4|", "^c4&c4|d4&^d4|c4|"),  # accidentals hold for a bar's layer
    ],
)
def test_what_an_overlay_means(music: str, meaning: str) -> None:
    tune = tune_of(music, QUARTERS)
    assert sounding(tune) == sounding(tune_of(meaning, QUARTERS))
    assert sounding(tune_of(body(music), QUARTERS)) == sounding(tune)


def test_it_is_written_bar_by_bar() -> None:
    assert body("(&cBAG|GFED&gfed|defg&)|G4|") == "cBAG&gfed | GFED&defg | G4 |"
    assert codes("(&cBAG|GFED&gfed|defg&)|G4|", QUARTERS) == []
    assert codes("g4|e3e|\n&&(d4|c3)c|", QUARTERS) == []


def test_ties_of_a_layer_cross_bar_lines() -> None:
    tune = tune_of("(&A4-|A4&c4-|c4&)|B4&d4-|e4|", QUARTERS)
    expected = [(0, 2, 69), (0, 2, 72), (2, 1, 71), (2, 1, 74), (3, 1, 76)]
    assert sounding(tune) == expected
    (read,) = read_musicxml(write_musicxml(tune))
    assert sounding(read) == expected


def test_lyrics_belong_to_the_first_layer() -> None:
    tune = tune_of("g4|e2e2|\n&&d4|c2c2|\nw:ha-lu-yah\n", QUARTERS)
    assert [text.strip() for _, text in perform(tune).tracks[0].lyrics] == ["ha", "lu", "yah"]


@pytest.mark.parametrize(
    ("music", "column", "message"),
    [
        ("A4|(&B4|c4|", 5, "not closed"), ("A4|B4&)c4|", 6, "closes nothing"),
        ("A4|&&&B4|", 4, "more bar lines than the 1 before it"),
        ("&A4|", 1, "no notes of its bar before it"), ("A4|[]&B4|", 6, "no notes of its bar"),
        ("A2(&A2|B4&c2|d4&)|", 4, "begin with its bar"),
        ("(&A4|B4|c4&d4|e4&)|", 11, "this layer has 2 bars, the first 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(music: str, column: int, message: str) -> None:
    found = [each for each in parsed(music, QUARTERS).diagnostics if each.code == "overlay"]
    (said,) = [each for each in found if message in each.message]
    assert (said.line, said.column) == (6, column)


def test_music_without_long_overlays_is_not_cut_for_them() -> None:
    def report(*_: object) -> None:
        raise AssertionError

    lines = [(Kind.MUSIC, "A4&c4|B4|", 0), (Kind.FIELD, "w:a & b", 10), (Kind.MUSIC, "c4|", 18)]
    assert bar_by_bar(lines, {}, report) == {}


def test_macros_are_expanded_in_layers() -> None:
    header = QUARTERS.replace("K:C", "m:~n2=no\nK:C")
    assert sounding(tune_of("(&~A2c2|B4&e4|f4&)|", header)) == sounding(
        tune_of("ABc2&e4|B4&f4|", QUARTERS)
    )
