"""Da capo, dal segno, coda and fine, as they are heard and as they are written."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.jump_marks import DECORATIONS, mark_of
from seqgen.music.jumps import play_order
from seqgen.music.music21_reader import read_musicxml
from seqgen.music.musicxml.writer import write_musicxml
from seqgen.music.performance import perform
from seqgen.music.unfold import MAX_REPEATS
from tests.music.notes import HEADER, tune_of

FREE = HEADER.replace("M:4/4", "M:none")
LETTERS = {69: "A", 71: "B", 60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 81: "a"}


def heard(music: str, voice: int = 0, header: str = FREE) -> str:
    """The letters of the notes in the order they sound."""
    track = perform(tune_of(music, header)).tracks[voice]
    return "".join(LETTERS[note.pitch] for note in track.notes)


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("A|B|C!D.C.!|", "ABCABC"),
        ("A|B|C|!dacapo!", "ABCABC"),  # behind the last bar line
        ("A|!fine!B|C|!D.C.!D|]", "ABCDAB"),  # both are obeyed at the end of their bars
        ("A!fine!|B|C|D!D.C.alfine!|]", "ABCDA"),
        ('A|"^Fine"B|C|"_D.C. al Fine"D|]', "ABCDAB"),
        ('A|"Fine"B|C|"D.C."D|]', "ABCDAB"), ('A|"fine"B|C|"DC"D|]', "ABCDAB"),
        ("A|!segno!B|C!D.S.!|D", "ABCBCD"),
        ("A|SB|C!D.S.!|D", "ABCBCD"),  # S is the segno's shorthand
        ("A|B!segno!|C|D!D.S.!|", "ABCDCD"),  # before a bar line it begins the next bar
        ("A|!segno!B|C!fine!|D!D.S.alfine!|E", "ABCDBC"),
        ("!segno!A|B!D.S.!|!segno!C|D!D.S.!|E", "ABABCDCDE"),  # to the last one before it
        ("A|!segno!B|C|D!segno!!D.S.!|", "ABCDBCD"),  # the sign beside D.S. begins nothing
        ("A|B!D.S.!|C", "ABC"),  # there is no segno
        ("A|B!coda!|C|D!D.C.alcoda!||!coda!E|F|]", "ABCDABEF"),
        ("A|B!dacoda!|C|D!D.C.alcoda!||!coda!E|F|]", "ABCDABEF"),
        ('A|"^To Coda"B|C|"^D.C. al Coda"D||"^Coda"E|F|]', "ABCDABEF"),
        ("A|!coda!BC|D!D.C.!||!coda!E|]", "ABCDAE"),  # left before the bar that it stands before
        ("A|SB|C!coda!|D!D.S.alcoda!||!coda!E!fine!|F", "ABCDBCE"),
        ("A!fine!|B!coda!|C!D.C.alcoda!|!coda!D|]", "ABCABD"),  # al Coda does not end at Fine
        ("A!coda!|B!fine!|C!D.C.alfine!|!coda!D|]", "ABCAB"),  # al Fine does not go to the coda
        ("A|B!D.C.alcoda!|C", "ABABC"),  # no coda: on past the D.C., which is obeyed once
        ("A!fine!|B!D.C.!|C!D.C.!|]", "ABACA"),  # a rondo
        ("!fine!A|B", "AB"),  # nothing leads to it
    ],
)  # fmt: skip
def test_where_the_marks_lead(music: str, expected: str) -> None:
    assert heard(music) == expected


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("|:A|B:|C!D.C.!|]", "ABABCABC"),  # repeats are not taken again
        ("|:A|1B:|2C|D!D.C.!|]", "ABACDACD"),  # the last ending is
        ("|:A|1B:|2C!fine!|]|:D:|E!D.C.!|", "ABACDDEAC"),
        ("|:A|[1,3B:|[2,4C:|D!D.C.!|]", "ABACABACDACD"),
        ("|:A!fine!:||:B!D.C.!:|", "AABBA"),  # after the repeat that ends there
        ("|:A|:B!segno!:|C|D!D.S.!|", "ABBCDCD"),
    ],
)
def test_repeats_are_taken_the_first_time_only(music: str, expected: str) -> None:
    assert heard(music) == expected


def test_an_order_of_parts_says_it_all() -> None:
    header = FREE.replace("K:C", "P:ABA\nK:C")
    assert heard("P:A\nA!fine!|\nP:B\nB!D.C.!|", header=header) == "ABA"


def test_marks_of_one_voice_hold_for_all_with_as_many_bars() -> None:
    music = "V:1\nA!fine!|B|C!D.C.!|\nV:2\nC|D|E|\nV:3\nC|D|\n"
    assert [heard(music, voice) for voice in range(3)] == ["ABCA", "CDEC", "CD"]
    assert [heard("V:1\nA|SB|C|\nV:2\nC|D|E!D.S.!|\n", voice) for voice in range(2)] == [
        "ABCBC", "CDEDE",
    ]  # fmt: skip


def test_going_back_takes_up_metre_key_clef_and_tempo_of_the_place() -> None:
    header = HEADER.replace("K:C", "Q:1/4=90\nK:C")
    music = "A8|[M:3/4][K:G][Q:1/4=120][K:G clef=treble-8]A6!D.C.!|"
    performance = perform(tune_of(music, header))
    whole = performance.divisions
    again = whole * 7 // 4
    assert [note.pitch for note in performance.tracks[0].notes] == [69, 57, 69, 57]
    assert performance.tempos == ((0, 90), (whole, 120), (again, 90), (again + whole, 120))
    assert [(at, str(meter)) for at, meter in performance.meters] == [
        (0, "4/4"), (whole, "3/4"), (again, "4/4"), (again + whole, "3/4"),
    ]  # fmt: skip
    assert [key.tonic for _, key in performance.keys] == ["C", "G", "C", "G"]


@pytest.mark.parametrize(
    "name", ["Am", "F", "C/E", "Fine day", "D.C. al Fine " + "x" * 40, "", "4"]
)
def test_other_words_are_no_marks(name: str) -> None:
    assert mark_of(name) is None


def test_every_mark_is_known_by_its_decoration() -> None:
    assert all(mark_of(name) == mark for mark, name in DECORATIONS.items())


@given(st.lists(st.sampled_from(
    ["A", "|", "|", "|:", ":|", "|1", ":|2", "!segno!", "!coda!", "!fine!", "!D.C.!", "!D.S.!",
     "!dacoda!", "!D.S.alcoda!", "!D.C.alfine!", "||"]), max_size=40))  # fmt: skip
def test_any_marks_end_and_come_back(pieces: list[str]) -> None:
    tune = tune_of("A|" + "".join(pieces) + "A|", FREE)
    bars = tune.voices[0].bars
    order = play_order(bars)
    assert len(order) <= MAX_REPEATS * len(bars)
    assert set(order) <= set(range(len(bars)))
    again = parse_tune(write_tune(tune))
    assert perform(again).tracks == perform(tune).tracks


def test_many_jumps_stay_within_the_bound() -> None:
    bars = tune_of("A|!segno!B|" + "C!D.S.!|" * 2000, FREE).voices[0].bars
    order = play_order(bars)
    assert order[:6] == [0, 1, 2, 1, 2, 3]
    assert len(order) == MAX_REPEATS * len(bars)


@pytest.mark.parametrize(
    "music",
    [
        '|:A|B:|"^Fine"C|D|"D.C."E|]', "A|!segno!B|C!coda!|D|!D.S.alcoda!E||!coda!F|]",
        "A|B!segno!|!fine!C|D|!D.S.alfine!E||F|]", "A|B!dacoda!|C!D.C.alcoda!||!coda!D|]",
        "!segno!A|B!D.S.!|!segno!C|D!D.S.!|E|]", "A|SB|C|D!segno!!D.S.!|]",
    ],
)  # fmt: skip
def test_musicxml_keeps_them(music: str) -> None:
    header = HEADER.replace("M:4/4", "M:1/8")
    tune = tune_of(music, header)
    (read,) = read_musicxml(write_musicxml(tune))
    (ours,), (theirs,) = perform(tune).tracks, perform(read).tracks
    assert [note.pitch for note in theirs.notes] == [note.pitch for note in ours.notes]
    assert Fraction(perform(read).duration, perform(read).divisions) == Fraction(
        perform(tune).duration, perform(tune).divisions
    )


def test_musicxml_says_what_to_play() -> None:
    def sounds(music: str) -> list[str]:
        lines = write_musicxml(tune_of(music)).decode().split("\n")
        return [line.strip(" </>").removeprefix("sound ") for line in lines if "<sound" in line]

    assert sounds('A8|SB8|C8!coda!|"^Fine"D8|!D.S.alcoda!E8||!coda!F8|') == [
        'segno="1"', 'tocoda="coda"', 'fine="yes"', 'dalsegno="1"', 'coda="coda"',
    ]  # fmt: skip
    assert sounds('"Am"A8|"^slowly"B8|"D.C."C8|') == ['dacapo="yes"']
    assert sounds("!segno!A8|B8!D.S.!|!segno!C8|D8!D.S.!|E8!D.S.!|") == [
        'segno="1"', 'dalsegno="1"', 'segno="2"', 'dalsegno="2"', 'dalsegno="2"',
    ]  # fmt: skip
