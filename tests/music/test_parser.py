"""Every construct of the notation, with the notes it must give."""

from __future__ import annotations

from fractions import Fraction

import pytest

from seqgen.errors import InputError
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.diagnostics import Severity
from seqgen.music.score import (
    BarLine,
    Chord,
    KeyChange,
    LineBreak,
    MeterChange,
    Note,
    Rest,
    Syllable,
    Tuplet,
)
from tests.music.notes import HEADER, codes, lengths, parsed, pitches, tune_of


def events(music: str, header: str = HEADER) -> list[Note | Chord | Rest]:
    return [event for bar in tune_of(music, header).voices[0].bars for event in bar.events]


def notes(music: str, header: str = HEADER) -> list[Note]:
    return [event for event in events(music, header) if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C D E F G A B c", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("C,, C, c' c''", [36, 48, 84, 96]),
        ("^C _D =E ^^F __G", [61, 61, 64, 67, 65]),
        ("^CC|C", [61, 61, 60]),
        ("^Cc'C,|c", [61, 85, 49, 72]),  # an accidental holds for all octaves until the bar line
        ("^C=C_CC", [61, 60, 59, 59]),
        ("^c-|cc|c", [73, 72, 72]),  # a tie carries it over the bar line, to one note
        ("[K:D]FC[K:F]B", [66, 61, 70]),
        ("[CEG][ce]", [60, 64, 67, 72, 76]),
        ("[CC]", [60, 60]),
    ],
)
def test_pitches(music: str, expected: list[int]) -> None:
    assert pitches(music) == expected


@pytest.mark.parametrize(
    ("directive", "expected"),
    [("pitch", [61, 61, 73]), ("octave", [61, 61, 72]), ("not", [61, 60, 72])],
)
def test_how_far_accidentals_reach_can_be_set(directive: str, expected: list[int]) -> None:
    assert pitches(f"%%propagate-accidentals {directive}\n^CCc") == expected


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C C2 C3 C/ C/2 C// C3/2 C3/ C/4", "1 2 3 1/2 1/2 1/4 3/2 3/2 1/4"),
        ("A>B A<B A>>B A<<B A>>>B", "3/2 1/2 1/2 3/2 7/4 1/4 1/4 7/4 15/8 1/8"),
        ("A2 > B2 c", "3 1 1"),
        ("A>{g}B c", "3/2 1/2 1"),
        ("(3ABc d", "2/3 2/3 2/3 1"),
        ("(2AB (4ABcd", "3/2 3/2 3/4 3/4 3/4 3/4"),
        ("(5ABcde f", "2/5 2/5 2/5 2/5 2/5 1"),
        ("(3:2:2A2B c", "4/3 2/3 1"),
        ("(3::2AB c", "2/3 2/3 1"),
        ("(3A>Bc d", "1 1/3 2/3 1"),
        ("[L:1/16]A2 A", "1 1/2"),
        ("[CEG]2 [CE]/", "2 2 2 1/2 1/2"),
        ("[C2E2]2", "4 4"),
        ("[C2E]", "2 2"),
        ("A-A B-|B2", "2 3"),
        ("[CE]-[CE]", "2 2"),
        ("[C-E][CE]", "2 1 1"),
        ("A-B", "1 1"),
        ("A-z A", "1 1"),
    ],
)
def test_lengths(music: str, expected: str) -> None:
    assert lengths(music) == expected.split()


def test_the_default_time_of_a_quintuplet_follows_the_metre() -> None:
    assert lengths("(5ABcde", HEADER.replace("4/4", "6/8")) == ["3/5"] * 5
    assert lengths("(5ABcde", HEADER.replace("4/4", "3/4")) == ["2/5"] * 5


def test_broken_rhythm_between_unequal_notes_leaves_them_and_says_so() -> None:
    assert lengths("G2>A B") == ["2", "1", "1"]
    assert codes("G2>A B") == ["broken-rhythm"]


def test_a_tuplet_knows_its_members() -> None:
    first, second, third, after = notes("(3ABc d")
    assert [each.tuplet for each in (first, second, third)] == [
        Tuplet(3, 2, 3, 0), Tuplet(3, 2, 3, 1), Tuplet(3, 2, 3, 2),
    ]  # fmt: skip
    assert after.tuplet is None


def test_a_tie_carries_its_pitch_into_another_key() -> None:
    assert pitches("F4-|[K:D]F4 F4|") == [65, 66]  # the tied notes are one
    assert pitches("F4-|z4 [K:D]F4|")[-1] == 66


def test_a_bar_begins_at_its_first_note_after_any_blank() -> None:
    music = "ABcd e4|\n\u3000\u3000f8|\n"
    assert tune_of(music).voices[0].bars[1].offset == (HEADER + music).index("f8")


def test_rests() -> None:
    found = events("z2 x Z|X2|", HEADER)
    assert found == [
        Rest(Fraction(1, 4)), Rest(Fraction(1, 8), visible=False), Rest(Fraction(1), bars=1),
        Rest(Fraction(2), visible=False, bars=2),
    ]  # fmt: skip


def test_what_stands_before_a_note_hangs_on_it() -> None:
    (note,) = notes('"Am7""^high"!trill!.{/ga}(b)')
    attached = note.attached
    assert attached.chord_symbols == ("Am7",)
    assert attached.annotations == ("^high",)
    assert attached.decorations == ("trill", "staccato")
    assert (attached.slurs_open, attached.slurs_close) == (1, 1)
    assert attached.graces is not None
    assert attached.graces.slashed
    assert [each.pitch.step for each in attached.graces.notes if isinstance(each, Note)] == [
        "G", "A",
    ]  # fmt: skip


def test_old_spellings_of_decorations_and_chords() -> None:
    assert notes("+trill+A")[0].attached.decorations == ("trill",)
    assert pitches("+CEG+2") == [60, 64, 67]
    assert notes("uvTHLMPSO~A")[0].attached.decorations == (
        "upbow", "downbow", "trill", "fermata", "accent", "lowermordent", "uppermordent", "segno",
        "coda", "roll",
    )  # fmt: skip


def test_symbols_can_be_given_a_meaning_and_lose_it() -> None:
    assert notes("U:T=!fermata!\nTA")[0].attached.decorations == ("fermata",)
    assert notes('U:m="^here"\nmA')[0].attached.annotations == ("^here",)
    assert codes("U:T=!nil!\nTA") == ["symbol"]


def test_macros_expand_and_transpose() -> None:
    assert pitches("m:~G2=GFG\n~G2 ~G2") == [67, 65, 67] * 2
    assert pitches("m:~n2=non\n~G2~B2") == [67, 69, 67, 71, 72, 71]


def test_a_problem_in_an_expansion_points_at_the_macro() -> None:
    (problem,) = parsed("m:~G2=G#\nA ~G2").diagnostics
    assert (problem.line, problem.column) == (7, 3)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("|", BarLine("thin")), ("||", BarLine("double")), ("|]", BarLine("final")),
        ("[|", BarLine("start")), (".|", BarLine("dotted")), ("[|]", BarLine("invisible")),
        ("|:", BarLine("thin", 0, 2)), (":|", BarLine("thin", 2, 0)), ("::", BarLine("thin", 2, 2)),
        (":|:", BarLine("thin", 2, 2)), (":||:", BarLine("double", 2, 2)),
        ("|::", BarLine("thin", 0, 3)), ("::|", BarLine("thin", 3, 0)),
        (":|]", BarLine("final", 2, 0)), ("[|:", BarLine("start", 0, 2)),
    ],
)  # fmt: skip
def test_bar_lines(text: str, line: BarLine) -> None:
    assert tune_of(f"C8{text}C8|").voices[0].bars[0].right == line


@pytest.mark.parametrize(
    ("music", "ending"),
    [("C|1D", (1,)), ("C|[1D", (1,)), ("C:|2D", (2,)), ("C|[1,3D", (1, 3)), ("C|1-3D", (1, 2, 3)),
     ("C [2,4-5 D", (2, 4, 5))],
)  # fmt: skip
def test_endings(music: str, ending: tuple[int, ...]) -> None:
    assert tune_of(music).voices[0].bars[1].ending == ending


def test_two_bar_lines_with_nothing_between_are_one() -> None:
    first, second = tune_of("C8:|\n|:D8|").voices[0].bars
    assert first.right == second.left == BarLine("thin", 2, 2)
    assert second.items[0] == LineBreak()


def test_lines_can_be_continued_and_broken() -> None:
    assert pitches("C\\\nD!E$F %x\nG") == [60, 62, 64, 65, 67]
    (bar,) = tune_of("C\\\nD!\nE\n").voices[0].bars
    assert [isinstance(item, LineBreak) for item in bar.items] == [False, False, True, False]


def test_changes_stand_among_the_notes() -> None:
    bar = tune_of("C[M:3/4][K:G clef=bass]D").voices[0].bars[0]
    assert isinstance(bar.items[1], MeterChange)
    change = bar.items[2]
    assert isinstance(change, KeyChange)
    assert change.key is not None
    assert change.key.tonic == "G"
    assert change.clef is not None
    assert change.clef.name == "bass"


@pytest.mark.parametrize(
    "music",
    [
        "V:1\nCD\nV:2\nEF\nV:1\nG",
        "[V:1]CD\n[V:2]EF\n[V:1]G",
        "CD\nV:2\nEF\nV:1\nG",  # what stands before the first V: is voice 1's
    ],
)
def test_voices_interleave(music: str) -> None:
    first, second = tune_of(music).voices
    assert (first.id, second.id) == ("1", "2")
    steps = [
        [event.pitch.step for bar in voice.bars for event in bar.events if isinstance(event, Note)]
        for voice in (first, second)
    ]
    assert steps == [["C", "D", "G"], ["E", "F"]]


def test_voices_are_declared_in_the_header() -> None:
    tune = tune_of("V:B\nC", "X:1\nM:4/4\nL:1/8\nV:A name=Alto\nV:B nm=Bass clef=bass\nK:C\n")
    assert [(voice.id, voice.name, voice.clef.name) for voice in tune.voices] == [
        ("B", "Bass", "bass")
    ]


def test_layers_of_a_bar() -> None:
    (bar,) = tune_of("C8&E4G4&c8|").voices[0].bars
    assert [len(layer) for layer in bar.overlays] == [2, 1]
    assert codes("C8&E4G4|") == []
    assert codes("C8&E4|") == ["overlay"]


def test_lyrics_stand_under_their_notes() -> None:
    def verses(music: str) -> list[list[Syllable]]:
        return [list(note.attached.lyrics) for note in notes(music)]

    assert verses("C D E F\nw:syll-a-ble two") == [
        [Syllable(1, "syll", True)], [Syllable(1, "a", True)], [Syllable(1, "ble", False)],
        [Syllable(1, "two", False)],
    ]  # fmt: skip
    assert verses("C D E\nw:time__")[1:] == [[Syllable(1, "", False)]] * 2
    assert [len(each) for each in verses("C D E F\nw:a * of~the~day")] == [1, 0, 1, 0]
    assert verses("C D E F\nw:a * of~the~day")[2] == [Syllable(1, "of the day", False)]
    assert [len(each) for each in verses("C D|E F\nw:a|b")] == [1, 0, 1, 0]
    assert verses("C\nw:one\nw:two") == [[Syllable(1, "one", False), Syllable(2, "two", False)]]
    assert [len(each) for each in verses("C z D\nw:a b")] == [1, 1]
    assert verses("C D\nw:a\n+:b")[1] == [Syllable(1, "b", False)]
    assert [len(each) for each in verses("C\nD\nw:a b")] == [0, 1]


def test_symbol_lines_stand_over_their_notes() -> None:
    first, second = notes('C D\ns:!trill! "^up"')
    assert first.attached.decorations == ("trill",)
    assert second.attached.annotations == ("^up",)


def test_the_header() -> None:
    tune = parse_tune(
        "X: 7 % first\nT:A\\'e Title\nT:Other\nC:Trad\nM:6/8\nQ:3/8=80\nP:AB\n%%MIDI program 5\n"
        "N:one\n+:more\nK:Ador\nA|\nW:la la\n"
    )
    assert tune.number == "7"
    assert tune.titles == ("Aé Title", "Other")
    assert (tune.key.tonic, tune.key.mode, tune.key.fifths) == ("A", "dor", 1)
    assert tune.unit == Fraction(1, 8)
    assert tune.tempo is not None
    assert tune.tempo.qpm == 120
    assert tune.parts == "AB"
    assert tune.words == ("la la",)
    assert [directive.text for directive in tune.directives] == ["MIDI program 5"]
    assert [field.value for field in tune.fields if field.name == "N"] == ["one more"]


def test_the_file_header_holds_for_every_tune() -> None:
    text = (
        "%abc-2.1\nM:3/4\nL:1/4\nC:Me\n\nfree text\n\nX:1\nK:C\nC\n\nwords\n\nX:2\nM:2/4\nK:C\nC\n"
    )
    first, second = (each.tune for each in parse(text))
    assert first is not None
    assert second is not None
    assert (str(first.meter), first.unit) == ("3/4", Fraction(1, 4))
    assert (str(second.meter), second.unit) == ("2/4", Fraction(1, 4))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(end: str) -> None:
    text = "X:1\nK:C\nC[\n\nX:2\nK:C\nD\n".replace("\n", end)
    first, second = parse(text)
    assert second.tune is not None
    assert second.line == 5
    assert [(each.line, each.column) for each in first.diagnostics if each.code == "chord"] == [
        (3, 2)
    ]


def test_tunes_need_no_empty_line_between_them() -> None:
    assert [each.number for each in parse("X:1\nK:C\nC\nX:2\nK:C\nD\n")] == ["1", "2"]


def test_a_bar_of_the_wrong_length_names_its_place() -> None:
    text = "X:1\nM:4/4\nL:1/8\nK:C\nCDEF GABc|CDEF GAB|CDEF GABc|\n"
    (tune,) = parse(text)
    (problem,) = tune.diagnostics
    assert problem.message == "this bar lasts 7/8, the metre is 4/4"
    assert (problem.line, problem.column, problem.length) == (5, 11, 8)
    assert problem.severity is Severity.WARNING
    assert tune.tune is not None


@pytest.mark.parametrize(
    "music",
    [
        "CD|CDEF GABc|CDEF GA:|CD|C8|]",  # upbeats at the start and after a repeat
        "C4[|]C4|C8|", "C4.|C4|C8|",  # bar lines within a bar
        "C8|C6|1C2:|2C2D6|]",  # an ending in mid-bar
        "Z4|C8|", "C8|[M:none]C|C3|",
    ],
)  # fmt: skip
def test_bars_that_are_right_are_left_alone(music: str) -> None:
    assert codes(music) == []


def test_a_bar_too_long_is_wrong_even_at_an_edge() -> None:
    assert codes("C8D|C8|") == ["bar-length"]


@pytest.mark.parametrize(
    ("music", "code", "place"),
    [
        ("[CE|", "chord", (6, 1)), ("{ga|b", "grace", (6, 1)), ("A0", "length", (6, 2)),
        ("A1/2000", "length", (6, 2)), ("A12345", "length", (6, 2)), ("(1ab", "tuplet", (6, 1)),
        ("[K:Q]A", "key", (6, 4)), ("[M:x]A", "meter", (6, 4)), ("[L:0]A", "unit", (6, 4)),
        ("[Q:1/4=]A", "tempo", (6, 4)), ("[V: ]A", "voice", (6, 5)),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_an_error(music: str, code: str, place: tuple[int, int]) -> None:
    result = parsed(music)
    assert result.tune is None
    assert result.error is not None
    assert (result.error.code, (result.error.line, result.error.column)) == (code, place)


@pytest.mark.parametrize(
    ("music", "code"),
    [
        ("A # B", "stray"), ('"open A', "stray"), ("A 2", "stray"), ("A]", "stray"),
        ("^ A", "stray"), ("A + B", "stray"),
        ("|-A", "tie"), (")A", "slur"), (">A", "broken-rhythm"), ("A>|B", "broken-rhythm"),
        ("(3AB|", "tuplet"), ("!foo!A", "decoration"), ("kA", "symbol"), ("[C2E]", "chord"),
        ("Z9999|", "length"), ("[]A", "chord"), ("[Cz]A", "chord"), ("m:x\nA", "macro"),
        ("[K:G foo]A", "key"),
    ],
)  # fmt: skip
def test_what_is_only_wrong_is_a_warning(music: str, code: str) -> None:
    result = parsed(music)
    assert result.tune is not None
    assert code in [each.code for each in result.diagnostics]


def test_a_header_without_a_key_is_refused_and_the_next_tune_read() -> None:
    first, second = parse("X:1\nT:No key\nabc\n\nX:2\nK:C\nC\n")
    assert first.error is not None
    assert first.error.code == "no-key"
    assert second.tune is not None


def test_a_tune_without_music_says_why() -> None:
    (tune,) = parse("X:1\nK:C\n\nCDE\n")
    assert [each.code for each in tune.diagnostics] == ["no-music"]


def test_a_line_too_long_is_refused() -> None:
    (tune,) = parse(HEADER + "C" * 70000 + "\n")
    assert tune.error is not None
    assert tune.error.code == "line-length"


def test_too_many_voices_are_refused() -> None:
    result = parsed("\n".join(f"V:{number}\nC" for number in range(70)))
    assert result.error is not None
    assert result.error.code == "too-long"


def test_parse_tune_raises_with_the_place() -> None:
    with pytest.raises(InputError, match=r"^tunes\.abc:3:1: this \[ begins a chord"):
        parse_tune("X:1\nK:C\n[CE|\n", path="tunes.abc")
    with pytest.raises(InputError, match="holds no tune"):
        parse_tune("words\n")


def test_two_scores_are_equal_if_they_say_the_same() -> None:
    assert tune_of("C2 D|") == tune_of("\nC2 D|".replace("\n", "%c\n"))
    assert tune_of("C2 D|") != tune_of("C2 E|")


def test_the_place_of_a_bar_does_not_count_in_comparisons() -> None:
    (here,) = tune_of("A2 B2|").voices[0].bars
    (there,) = tune_of("  A2 B2|").voices[0].bars
    assert here.offset != there.offset
    assert here == there
    assert not here != there  # noqa: SIM202 - a method of its own
    assert hash(here) == hash(there)
    assert here != tune_of("A2 c2|").voices[0].bars[0]
