"""Keys, metres, units, tempos and voices, as fields spell them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from seqgen.music.abc.fields import (
    default_unit,
    parse_key,
    parse_meter,
    parse_tempo,
    parse_unit,
    parse_voice,
)
from seqgen.music.score import Clef, Meter

UNIT = Fraction(1, 8)


@pytest.mark.parametrize(
    ("value", "fifths"),
    [
        ("C", 0), ("G", 1), ("D Major", 2), ("Am", 0), ("A minor", 0), ("AMIN", 0), ("F#m", 3),
        ("Bb", -2), ("EbDor", -5), ("D Mixolydian", 1), ("A Dorian", 1), ("E phr", 0),
        ("F lyd", 0), ("B loc", 0), ("C# maj", 7), ("Cb", -7), ("G#mix", 7), ("Ddor", 0),
        ("A aeolian", 0), ("C ionian", 0), ("EM", 1), ("Hp", 2), ("HP", 2), ("none", 0), ("", 0),
        ("G clef=bass", 1), ("D treble-8", 2),
    ],
)  # fmt: skip
def test_a_key_has_its_sharps_or_flats(value: str, fifths: int) -> None:
    key = parse_key(value)[0]
    assert key is not None
    assert key.fifths == fifths


@pytest.mark.parametrize(
    ("value", "alters"),
    [
        ("D ^g", {"C": 1, "F": 1, "G": 1}),
        ("D =c", {"F": 1}),
        ("D exp _b ^f", {"F": 1, "B": -1}),
        ("C^f^c^a", {"C": 1, "F": 1, "A": 1}),
        ("Dphr ^F", {"E": -1, "B": -1, "F": 1}),
        ("none ^f", {"F": 1}),
        ("G# maj", {"C": 1, "D": 1, "E": 1, "F": 2, "G": 1, "A": 1, "B": 1}),
        ("C exp", {}),
    ],
)
def test_accidentals_join_or_replace_a_key(value: str, alters: dict[str, int]) -> None:
    key = parse_key(value)[0]
    assert key is not None
    assert dict(key.alters) == alters


def test_a_key_field_may_hold_a_clef_alone() -> None:
    assert parse_key("clef=bass octave=-1 transpose=-2") == (None, Clef("bass", -1, -2), ())
    assert parse_key("bass") == (None, Clef("bass"), ())
    assert parse_key("G foo")[2] == ("foo",)


@pytest.mark.parametrize("value", ["H", "Es", "Bn", "X dor", "Gfoo", "G clef=banjo", "C octave=x"])
def test_what_is_no_key_says_what_is(value: str) -> None:
    with pytest.raises(ValueError, match=r"expected|takes"):
        parse_key(value)


@pytest.mark.parametrize(
    ("value", "beats", "unit", "duration"),
    [
        ("4/4", (4,), 4, Fraction(1)), ("6/8", (6,), 8, Fraction(3, 4)),
        ("C", (4,), 4, Fraction(1)), ("C|", (2,), 2, Fraction(1)),
        ("2+3/8", (2, 3), 8, Fraction(5, 8)), ("(2+3+2)/8", (2, 3, 2), 8, Fraction(7, 8)),
        ("none", (), 1, None), ("", (), 1, None), ("12 / 8", (12,), 8, Fraction(3, 2)),
    ],
)  # fmt: skip
def test_a_metre_lasts(
    value: str, beats: tuple[int, ...], unit: int, duration: Fraction | None
) -> None:
    meter = parse_meter(value)
    assert (meter.beats, meter.unit, meter.duration) == (beats, unit, duration)


@pytest.mark.parametrize("value", ["4", "4/0", "0/4", "FREI4/4", "2000/4", "4/9999999", "x/y"])
def test_what_is_no_metre_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"metre|large"):
        parse_meter(value)


def test_the_unit_follows_from_the_metre_unless_said() -> None:
    assert default_unit(Meter((2,), 4)) == Fraction(1, 16)
    assert default_unit(Meter((3,), 4)) == Fraction(1, 8)
    assert default_unit(Meter((), 1)) == Fraction(1, 8)
    assert parse_unit("1/16") == Fraction(1, 16)
    assert parse_unit(" 1 ") == 1
    for wrong in ("1/0", "x", "1/2048", "", "-1/8"):
        with pytest.raises(ValueError, match="unit note length"):
            parse_unit(wrong)


@pytest.mark.parametrize(
    ("value", "qpm", "text"),
    [
        ("1/4=120", 120, ""), ("3/8=80", 120, ""), ("120", 60, ""), ("C=120", 60, ""),
        ("C3=40", 60, ""), ('"Allegro" 1/4=100', 100, "Allegro"), ('"Andante"', 88, "Andante"),
        ("allegro", 120, "allegro"), ("1/4 3/8 1/4 3/8=40", 200, ""), ("1/4=60.5", 60.5, ""),
        ('"with feeling"', None, "with feeling"),
    ],
)  # fmt: skip
def test_a_tempo_in_quarter_notes_a_minute(value: str, qpm: float | None, text: str) -> None:
    tempo = parse_tempo(value, UNIT)
    assert (tempo.qpm, tempo.text) == (qpm, text)


@pytest.mark.parametrize("value", ["1/4=0", "1/0=3", "=", "1/4=", "1/4=999999999", "0/4=100"])
def test_what_is_no_tempo_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"tempo|large"):
        parse_tempo(value, UNIT)


def test_a_voice_has_an_id_a_name_and_a_clef() -> None:
    voice = parse_voice('T1 clef=treble-8 name="Tenor One" snm=T stem=up octave=1')
    assert (voice.id, voice.name, voice.clef) == ("T1", "Tenor One", Clef("treble-8", 1, 0))
    with pytest.raises(ValueError, match="names no voice"):
        parse_voice("")
