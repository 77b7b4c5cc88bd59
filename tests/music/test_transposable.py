"""A text in another key sounds as the score does there, and is otherwise as it was."""

from __future__ import annotations

import pytest

from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.transposable import Transposable
from seqgen.music.abc.writer import write_tune
from tests.music.corpora import NAMES, tunes
from tests.music.test_transpose import heard


def test_only_keys_pitches_and_chord_symbols_change() -> None:
    text = (
        "X:12\nT:Down in D and C\nZ: abc\nM:C|\nL:1/8\nR:reel % in D\nK:D Major\n"
        '"D7"D,2 (3FED|~A>c {^g}[Ad]2 z|!trill!=c_B ^^F,|!\nw:A-ny D words\n'
        '[K:Ador] "Am/C" ABc\'|]\n'
    )
    assert Transposable(text).moved(2) == (
        "X:12\nT:Down in D and C\nZ: abc\nM:C|\nL:1/8\nR:reel % in D\nK:E Major\n"
        '"E7"E,2 (3GFE|~B>d {^a}[Be]2 z|!trill!=d=c ^^G,|!\nw:A-ny D words\n'
        '[K:Bdor] "Bm/D" Bcd\'|]\n'
    )
    assert Transposable(text).moved(0) == text


def test_first_lines_may_be_missing() -> None:
    assert Transposable("M:3/4\nK:Bb % low\nBcd|]\n").moved(-3) == "M:3/4\nK:G % low\nGAB|]\n"


@pytest.mark.parametrize(
    "text",
    [
        "X:1\nT:No key\n",
        "X:1\nK:HP\nABc|]\n",
        "X:1\nK:none\nABc|]\n",
        "X:1\nK:D exp _b\nABc|]\n",
        "X:1\nK:D ^g\nABc|]\n",
        "X:1\nK:D clef=perc\nABc|]\n",
        "X:1\nK:nonsense\nABc|]\n",
        "X:1\nm:~g2={a}g{f}g\nK:D\n~g2|]\n",
        "X:1\n%%MIDI channel 10\nK:D\nABc|]\n",
        "X:1\nV:1 clef=perc\nK:D\nABc|]\n",
        "X:1\nV:1\nV:2\nK:D\nV:1\nABc|\nK:A\nV:2\nABc|]\n",
    ],
)  # fmt: skip
def test_what_letters_do_not_tell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Transposable(text)


def test_no_note_with_three_accidentals() -> None:
    text = "X:1\nK:F\n^^F|]\n"
    assert Transposable(text).moved(2) is not None
    assert Transposable(text).moved(1) is None  # in F sharp, that would be an F with three


@pytest.mark.parametrize("name", NAMES)
def test_real_tunes_sound_as_much_higher(name: str) -> None:
    compared = 0
    for tune in list(tunes(name, every=40))[:80]:
        text = write_tune(tune)
        try:
            movable = Transposable(text)
        except ValueError:
            continue
        for semitones in (-7, -1, 2, 6):
            moved = movable.moved(semitones)
            if moved is not None:
                assert heard(parse_tune(moved)) == heard(tune, semitones), (tune.title, semitones)
                compared += 1
    assert compared > 20
