"""MIDI and scores as corpora."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from seqgen.corpus.readers import load
from seqgen.corpus.split import split
from seqgen.errors import InputError
from seqgen.music.abc.parser import parse_tune
from seqgen.music.musicxml.writer import write_musicxml, write_mxl
from seqgen.music.performance import perform as play
from seqgen.music.remi.writer import perform
from tests.support import midi_of, write

ABC = "X:1\nT:One\nM:3/4\nL:1/8\nK:G\nG2 A2 B2|c2 {} d2|G6|]\n"
KERN = "**kern\n*M4/4\n*k[]\n=1\n4c\n4d\n4e\n4f\n=2\n1g\n==\n*-\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def midi(note: str = "A2") -> bytes:
    return midi_of(ABC.format(note))


def test_a_folder_of_midi_is_pieces_of_events() -> None:
    write("pieces/a.mid", midi())
    write("pieces/sub/b.MIDI", midi("e2"))

    corpus = load(["pieces"])

    assert (corpus.name, corpus.kind) == ("pieces", "midi")
    assert [d.source for d in corpus.documents] == ["pieces/a.mid", "pieces/sub/b.MIDI"]
    first = corpus.documents[0]
    assert first.text.startswith("Bar_None\nTimeSig_3/4\nPosition_0\nTempo_120.0\nProgram_0\n")
    assert perform(first.text).tracks
    # Three bars, a tempo, a program, seven notes of four words, and the end.
    assert first.characters == 3 * 2 + 2 + 7 * 4 + 1


def test_a_single_file_a_pattern_and_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.mid", midi())
    write("b.data", midi("e2"))

    assert [d.source for d in load(["*.mid"]).documents] == ["a.mid"]
    assert load(["a.mid", "b.data"]).kind == "midi"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(midi())))
    assert load(["-"]).kind == "midi"


def test_pieces_are_held_back_whole() -> None:
    for number in range(12):
        write(f"t/{number}.mid", midi("abcdefgABCDE"[number] + "2"))
    corpus = load(["t"])

    training, validation = split(corpus, fraction=0.2, seed=0)

    assert validation.documents
    assert {d.source for d in training.documents}.isdisjoint(d.source for d in validation.documents)
    assert len(training.documents) + len(validation.documents) == 12


def test_a_single_piece_is_cut_at_a_bar_line() -> None:
    long = "X:1\nM:3/4\nL:1/4\nK:C\n" + "CDE|FGA|" * 20 + "\n"
    corpus = load([write("long.mid", midi_of(long))])

    training, validation = split(corpus, fraction=0.1, seed=0)

    assert training.documents[0].text + validation.documents[0].text == corpus.documents[0].text
    assert validation.documents[0].text.startswith("Bar_None\nTimeSig_3/4\nPosition_0\nPitch_")
    bars = validation.documents[0].text.count("Bar_None")
    assert bars in (4, 5)  # of 40
    assert validation.documents[0].characters == bars * (2 + 3 * 4) + 1
    short = "X:1\nM:3/4\nL:1/4\nK:C\nCDE|]\n"
    with pytest.raises(InputError, match=r"^short\.mid: this piece is too short to split"):
        split(load([write("short.mid", midi_of(short))]), fraction=0.1, seed=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"MThd", "damaged"),
        (midi()[:-20], "truncated"),
        (midi().replace(b"MTrk", b"MTrx"), "truncated"),
        (b"RIFF0000", "is no MIDI file"),
        (b"", "is no MIDI file"),
    ],
)
def test_bad_midi_is_named(data: bytes, message: str) -> None:
    write("t/a.mid", midi())
    write("t/bad.mid", data)
    with pytest.raises(InputError, match=rf"^t/bad\.mid: .*{message}"):
        load(["t"])


def test_midi_without_notes_is_passed_over_in_a_folder_and_refused_when_named() -> None:
    write("t/a.mid", midi())
    silent = write("t/silent.mid", b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0")

    assert len(load(["t"]).documents) == 1
    with pytest.raises(InputError, match=r"^t/silent\.mid: is empty; name a file with notes"):
        load([silent])


def test_kinds_do_not_mix() -> None:
    write("t/a.mid", midi())
    write("t/b.abc", ABC.format("A2"))
    write("t/c.krn", KERN)
    each = r"hold MIDI: t/a\.mid; but these hold tunes: t/b\.abc, t/c\.krn"
    with pytest.raises(InputError, match=each + r"; .*'folder/\*\*/\*\.mid'"):
        load(["t"])


def test_scores_are_learnt_as_tunes() -> None:
    tune = parse_tune(ABC.format("A2"))
    write("scores/a.musicxml", write_musicxml(tune))
    write("scores/b.mxl", write_mxl(tune))
    write("scores/c.krn", KERN)
    write("scores/d.xml", write_musicxml(tune))
    write("scores/e.abc", ABC.format("e2"))

    corpus = load(["scores"])

    assert (corpus.kind, len(corpus.documents)) == ("abc", 5)
    for document in corpus.documents:
        assert document.text.startswith("X:")
        assert document.text.endswith("\n")
        assert not document.text.endswith("\n\n")
        assert document.characters == len(document.text) + 1
        assert parse_tune(document.text).voices[0].bars
    (kern,) = play(parse_tune(corpus.documents[2].text)).tracks
    assert [note.pitch for note in kern.notes] == [60, 62, 64, 65, 67]


def test_xml_that_is_no_score_is_text_and_a_bad_score_is_named() -> None:
    page = write("page.xml", "<?xml version='1.0'?>\n<p>Some words.</p>\n")
    assert load([page]).kind == "text"
    bad = write("bad.musicxml", "<?xml version='1.0'?>\n<p>Some words.</p>\n")
    with pytest.raises(InputError, match=r"^bad\.musicxml: is no MusicXML"):
        load([bad])


def test_kern_in_another_encoding() -> None:
    name = write("latin.krn", ("!! caf\xe9\n" + KERN).encode("latin-1"))
    with pytest.raises(InputError, match=r"--encoding"):
        load([name])
    assert load([name], encoding="latin-1").kind == "abc"
