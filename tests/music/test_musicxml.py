"""MusicXML holds the same notes, as music21 finds them, and comes back as the same tune."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import pytest

from seqgen.errors import InputError
from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.music21_reader import read_kern, read_musicxml, read_mxl
from seqgen.music.musicxml.values import parse_harmony, written_values
from seqgen.music.musicxml.writer import write_musicxml, write_mxl
from seqgen.music.performance import perform
from seqgen.music.score import Chord, Note, Tune
from tests.music.corpora import NAMES, tunes

EVERYTHING = """X:1
T:Everything
C:Trad.
M:6/8
L:1/8
Q:3/8=116
K:Edor
|: B | "Em"EFE (e2-e) | (3GFG {cd}B2 .A.B | ~B3 z3 :|
[M:2/4]E/2F/2G/2A/2 B2- |1 B[EGB] !fermata!d2 :|2 [K:G]B3/2c/2 d/2e3/2 | g4 |]
w:oh my dear-est * love
[K:Bb][M:C|]_B,2 ^F4 =E2 & D8 | [M:3+2/8]A3 (5:4:5B/2c/2d/2e/2f/2 | Z2 | C5/2D5/2 |]
"""


def heard(tune: Tune) -> list[list[tuple[int, int, int]]]:
    performance = perform(tune, graces=False)
    whole = performance.divisions
    return [
        sorted((5040 * onset // whole, 5040 * duration // whole, number)
               for onset, duration, number, _ in track.notes)
        for track in performance.tracks
    ]  # fmt: skip


def written(tune: Tune) -> list[tuple[int, Fraction]]:
    """Pitch and duration of the notes as written, in order, grace notes left out."""
    return [
        (note.pitch.midi, note.duration)
        for voice in tune.voices for bar in voice.bars for event in bar.events
        if isinstance(event, Note | Chord)
        for note in (event.notes if isinstance(event, Chord) else [event])
    ]  # fmt: skip


def read_by_music21(data: bytes) -> list[tuple[int, Fraction]]:
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = converter.parseData(data.decode(), format="musicxml")

    def notes() -> Iterator[tuple[int, Fraction]]:
        for event in score.recurse().notes:
            if "ChordSymbol" in event.classes or event.duration.isGrace:
                continue
            for each in event.pitches:
                yield each.midi, Fraction(event.duration.quarterLength) / 4

    return list(notes())


def of(data: bytes) -> Any:
    return ElementTree.fromstring(data)


def test_ten_tunes_have_the_same_notes_in_music21() -> None:
    chosen = [next(iter(tunes(name, every=every))) for name in NAMES for every in (1, 3)]
    chosen += [parse_tune("X:1\nL:1/8\nK:C\n(3abc [CEG]2|A-|A3 z|]"), parse_tune("X:1\nK:C\nd5")]
    for tune in chosen:
        found = read_by_music21(write_musicxml(tune))
        expected = [
            (number, part.duration if len(values) > 1 else length)
            for number, length in written(tune)
            for values in [written_values(length)]
            for part in values
        ]
        assert found == expected


def test_what_is_written() -> None:
    score = of(write_musicxml(parse_tune(EVERYTHING)))
    assert score.findtext("work/work-title") == "Everything"
    assert score.findtext("identification/creator") == "Trad."
    first = score.find("part/measure/attributes")
    assert (first.findtext("key/fifths"), first.findtext("key/mode")) == ("2", "dorian")
    assert (first.findtext("time/beats"), first.findtext("time/beat-type")) == ("6", "8")
    assert first.findtext("clef/sign") == "G"
    assert [each.get("direction") for each in score.iter("repeat")] == [
        "forward", "backward", "forward", "backward",
    ]  # fmt: skip
    assert [(each.get("number"), each.get("type")) for each in score.iter("ending")] == [
        ("1", "start"), ("1", "stop"), ("2", "start"), ("2", "discontinue"),
    ]  # fmt: skip
    assert [each.get("type") for each in score.iter("tuplet")] == ["start", "stop"] * 2
    assert {each.text for each in score.iter("beam")} == {
        "begin", "continue", "end", "forward hook", "backward hook",
    }  # fmt: skip
    assert [each.text for each in score.iter("text")] == ["oh", "my", "dear", "est", "love"]
    assert [each.text for each in score.iter("syllabic")] == [
        "single", "single", "begin", "end", "single",
    ]  # fmt: skip
    assert score.findtext(".//harmony/root/root-step") == "E"
    assert score.findtext(".//per-minute") == "116"
    assert len(score.findall(".//tie[@type='start']")) == len(score.findall(".//tie[@type='stop']"))
    assert [each.get("new-system") for each in score.iter("print")] == ["yes", "yes"]


def test_it_comes_back_as_the_same_tune() -> None:
    tune = parse_tune(EVERYTHING)
    (read,) = read_musicxml(write_musicxml(tune))
    assert heard(read) == heard(tune)
    assert (read.titles, read.key, read.meter) == (tune.titles, tune.key, tune.meter)
    text = write_tune(read)
    for piece in ('"Em"', "(e2-", "(3GFG", "{cd}", ".A.B", "|1", ":|2", "w:oh my dear- est", "Hd2"):
        assert piece in text
    assert write_mxl(tune) == write_mxl(tune)
    assert read_mxl(write_mxl(tune)) == [read]


def test_voices_and_several_bars_of_rest() -> None:
    tune = parse_tune(
        "X:1\nM:2/4\nL:1/8\nV:1 name=High\nV:2 clef=bass\nK:F\nV:1\nZ2|F4|\nV:2\nF,4|z4|A,4|\n"
    )
    score = of(write_musicxml(tune))
    assert [len(part.findall("measure")) for part in score.findall("part")] == [3, 3]
    assert score.findtext("part-list/score-part/part-name") == "High"
    assert heard(read_musicxml(write_musicxml(tune))[0]) == heard(tune)


@pytest.mark.parametrize(
    ("duration", "names"),
    [
        (Fraction(1, 8), ["eighth"]), (Fraction(3, 8), ["quarter"]), (Fraction(7, 8), ["half"]),
        (Fraction(5, 8), ["half", "eighth"]), (Fraction(9, 16), ["half", "16th"]),
        (Fraction(1, 3), [""]),
    ],
)  # fmt: skip
def test_values(duration: Fraction, names: list[str]) -> None:
    values = written_values(duration)
    assert [each.name for each in values] == names
    assert sum((each.duration for each in values), Fraction(0)) == duration


def test_chord_symbols() -> None:
    assert parse_harmony("F#m7/C#") == (("F", 1), "minor-seventh", "m7", ("C", 1))
    assert parse_harmony("Fine") is None


def test_kern() -> None:
    text = "**kern\n*clefG2\n*k[f#]\n*G:\n*M3/4\n4d\n=1\n8g\n8a\n4b\n4g\n=2\n2.d\n==\n*-\n"
    (tune,) = read_kern(text.encode())
    assert tune.key.fifths == 1
    assert [(number, 8 * length) for number, length in written(tune)] == [
        (62, 2), (67, 1), (69, 1), (71, 2), (67, 2), (62, 6),
    ]  # fmt: skip


def _zip(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("read", "data", "message"),
    [
        (read_musicxml, b"", "no MusicXML"),
        (read_musicxml, b"<?xml version='1.0'?><html/>", "no MusicXML"),
        (read_musicxml, b"<score-partwise><part", "can't be read as MusicXML"),
        (read_musicxml, b"<!DOCTYPE a [<!ENTITY b 'c'>]><score-partwise/>", "entities"),
        (read_musicxml, b"\x00\x01<score-partwise", "binary"),
        (read_mxl, b"PK\x03\x04nothing", "no compressed MusicXML"),
        (read_mxl, _zip(a="b"), "no compressed MusicXML"),
        (read_kern, b"!! a comment\n", "no \\*\\*kern"),
        (read_kern, b"**kern\n4zz\n*-\n", "kern|holds no notes"),
    ],
)
def test_what_is_no_score_is_refused_in_one_sentence(read: Any, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(data, path="song.x")
    assert f"{caught.value}".startswith("song.x: ")
    assert "\n" not in f"{caught.value}"


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_comes_back(name: str) -> None:
    for tune in list(tunes(name, every=7))[:200:50]:
        assert heard(read_musicxml(write_musicxml(tune))[0]) == heard(tune)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_collections_come_back(name: str) -> None:
    for tune in list(tunes(name))[::10]:
        if not tune.parts:  # MusicXML has no order of parts
            assert heard(read_musicxml(write_musicxml(tune))[0]) == heard(tune), tune.title
