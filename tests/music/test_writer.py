"""What the writer writes is read back as the same score, and sounds the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.music.abc.canonical import canonical
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.abc.writer import write_tune, write_tunes
from seqgen.music.performance import perform
from seqgen.music.score import Tune
from tests.music.corpora import NAMES, tunes

HEADER = "X:1\nT:Tune\nM:4/4\nL:1/8\nK:D\n"

NOTES = [
    "A", "^c", "_B,", "=F", "__e'", "^^G,,", "d2", "e/", "f3/2", "G//", "z", "x2", "Z", "[CEG]2",
    "[C2E]", "A-", "[Ce-]", "(A", "B)", "{g}a", "{/^fg}a", "{[ce]}d", "A>B", "c<<d", "(3abc",
    "(3:2:2d2e", "(5ABcde", ".A", "~B", "TA", "!fermata!c", "!sf!d", "vA", '"Am7"B', '"^text"c',
    "y", "A&c2", "e & f",
]  # fmt: skip
BARS = [
    "|",
    "||",
    "|]",
    "[|",
    "|:",
    ":|",
    "::",
    ":||:",
    "::|",
    ".|",
    "[|]",
    "|1",
    ":|2",
    "[1,3",
    "[3",
]
MARKS = [
    " ", "\n", "\\\n", "!", "\n%%MIDI program 3\n", "[K:Gm]", "\nK:A mix ^g clef=bass\n", "[M:6/8]",
    "\nL:1/16\n", '[Q:"Slow" 3/8=60]', "\nP:B\n", "[P:A]", "\nN:a note\n", "\nw:la- la _ * me\n",
    "\nw:\n", "\nV:2 name=\"Low\"\n", "\nV:1\n", "[I:MIDI channel 2]", "\nT:Second\n",
    "[K:C octave=-1]",
]  # fmt: skip


def round_trip(tune: Tune) -> None:
    written = write_tune(tune)
    read = list(parse(written))
    assert len(read) == 1, written
    assert read[0].tune == canonical(tune), written
    assert write_tune(canonical(tune)) == written


def heard(tune: Tune) -> list[list[tuple[int, int, int, int]]]:
    performance = perform(tune)
    return [
        [(5040 * onset // performance.divisions, 5040 * duration // performance.divisions, *rest)
         for onset, duration, *rest in track.notes]
        for track in performance.tracks
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("ABc|def:|gab|]", "|: ABc | def :| gab |]"),
        ("|:A|1 B:|2 c||", "|: A |1 B :|2 c ||"),
        ("A:|B:|", "|: A :: B :|"),
        ("|:A|1B:|2c::d:|", "|: A |1 B :|2 c |: d :|"),
        ("|:A|1B:|2c:|d|]", "|: A |1 B :|2 c || d |]"),
        ("A>B c<d", "A3/2B/2 c/2d3/2"),
        ("(3ABc (3:2:4A/B/cd", "(3ABc (3:2:4A/2B/2cd"),
        ("{/g}!fermata!(A B)B-|B", "({/g}HA B)B- | B"),
        ('"Am"[CEG]2 "D.C."|', '"Am"[CEG]2"D.C." |'),
        ("[M:6/8]A [K:G]B", "M:6/8\nA[K:G] B"),
        ("A2 & c2 |", "A2 & c2 |"),
        ("ABc|\nw:one two- three", "ABc |\nw:one two- three"),
        ("ABc|\n|:def:|", "ABc |\n|: def :|"),
    ],
)
def test_the_canonical_form(music: str, expected: str) -> None:
    tune = parse_tune(HEADER + music)
    assert write_tune(tune) == f"{HEADER}{expected}\n"
    round_trip(tune)


def test_the_header_stands_in_the_standards_order() -> None:
    tune = parse_tune("M:3/4\n\nX:7\nK:D % comment\nABc|")
    assert write_tune(tune) == "X:7\nM:3/4\nK:D\nABc |\n"
    tune = parse_tune("X:7\nL:1/16\nI:MIDI=program 3\nm:~g2=gag\nT:\\'Etude\n%%scale 1\nK:D\n~g2|")
    expected = "X:7\nT:\\'Etude\nL:1/16\n%%MIDI program 3\n%%scale 1\nK:D\ngag |\n"
    assert write_tune(tune) == expected


def test_what_a_grace_note_before_a_bar_line_altered_is_written() -> None:
    tune = parse_tune("X:1\nL:1/8\nK:C\ng4{^f}|a>f|")
    assert write_tune(tune).endswith("g4 | {^f}a3/2=f/2 |\n")
    assert heard(parse_tune(write_tune(tune))) == heard(tune)


def test_voices_parts_and_words() -> None:
    source = (
        'X:1\nT:Two\nP:AB\nL:1/8\nV:1 name="High"\nV:2 clef=bass\nK:C\n'
        "V:1\nP:A\nABc|\nV:2\nA,B,C|\nP:B\nV:1\ndef|]\nV:2\nD2E|]\nW:Some words\nW:and more"
    )
    tune = parse_tune(source)
    assert [voice.id for voice in tune.voices] == ["1", "2"]
    round_trip(tune)
    assert write_tune(tune).count("P:A") == 2  # the header's order and one mark


def test_a_repeat_is_opened_after_the_mark_of_its_part() -> None:
    tune = parse_tune("X:1\nP:ABA\nL:1/8\nK:C\nP:A\nABc:|\nP:B\ndef|gab:|\nab|c:|\n")
    written = write_tune(tune)
    assert written.endswith("K:C\nP:A\n|: ABc :|\nP:B\n|: def | gab :|\n|: ab | c :|\n")
    assert heard(parse_tune(written)) == heard(tune)
    round_trip(tune)


def test_several_tunes_are_parted_by_an_empty_line() -> None:
    each = parse_tune(HEADER + "ABc|")
    assert [one.tune for one in parse(write_tunes([each, each]))] == [each, each]


@given(st.lists(st.sampled_from(NOTES + BARS + MARKS), max_size=30).map("".join))
def test_any_tune_that_the_parser_accepts_comes_back(music: str) -> None:
    tune = next(parse(HEADER + music + "\n")).tune
    if tune is None:
        return
    written = write_tune(tune)
    read = list(parse(written))
    assert len(read) == 1
    assert read[0].tune is not None
    assert read[0].tune == canonical(tune)
    assert heard(read[0].tune) == heard(tune)
    assert write_tune(read[0].tune) == written


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_of_each_collection_comes_back(name: str) -> None:
    for tune in tunes(name, every=40):
        round_trip(tune)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whole_collections_come_back_and_sound_the_same(name: str) -> None:
    count = 0
    for tune in tunes(name):
        round_trip(tune)
        assert heard(parse_tune(write_tune(tune))) == heard(tune)
        count += 1
    assert count > 1000
