"""Whole collections, and mutations of their tunes."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from seqgen.errors import InputError
from seqgen.music.abc import marked_notes, note_reader
from seqgen.music.abc.lexer import lex
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.abc.runs import Runs
from seqgen.music.midi import read, write
from seqgen.music.performance import perform
from seqgen.music.unfold import MAX_REPEATS

CHARACTERS = "ABCDEFGabcdefgzxZX^_=,'0123456789/|:[](){}<>-.~!+\"&\\%$`*yHTuvw \n\t\r"
LINES = ["X:2", "K:G", "M:3/4", "L:1/4", "V:2", "P:A", "w:la-la _ *|x", "m:a=aa", "Q:1/4=90",
         "U:T=!trill!", "%%begintext", "", "+:more", "K:", "|:A|1B:|2C|]", "s:!f! *"]  # fmt: skip


@cache
def collection(name: str) -> list[str]:
    """The texts of a collection's files, in the order of their names."""
    spec = importlib.util.find_spec("music21")
    assert spec is not None
    (root,) = spec.submodule_search_locations or []
    paths = sorted((Path(root) / "corpus" / name).glob("*.abc"))
    return [path.read_text(encoding="utf-8") for path in paths]


def test_ryans_mammoth_collection_is_read_whole() -> None:
    tunes = [parsed for text in collection("ryansMammoth") for parsed in parse(text)]
    assert len(tunes) == 1059
    assert [parsed.error for parsed in tunes if parsed.tune is None] == []
    bars = [bar for parsed in tunes if parsed.tune for voice in parsed.tune.voices
            for bar in voice.bars]  # fmt: skip
    faults = Counter(each.code for parsed in tunes for each in parsed.diagnostics)
    assert faults["bar-length"] < len(bars) / 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tunes", "refused"),
    [("oneills1850", 2009, 2), ("airdsAirs", 1180, 0), ("essenFolksong", 8514, 8)],
)
def test_the_other_collections_are_read(name: str, tunes: int, refused: int) -> None:
    parsed = [each for text in collection(name) for each in parse(text)]
    assert len(parsed) == tunes
    assert sum(each.tune is None for each in parsed) == refused


def test_every_tune_of_a_slice_comes_back_from_midi() -> None:
    for text in collection("ryansMammoth")[::20]:
        performance = perform(parse_tune(text))
        (track,) = performance.tracks
        scale = performance.divisions / 1920
        found = read(write(performance)).tracks[0].notes
        assert Counter(note.pitch for note in found) == Counter(note.pitch for note in track.notes)
        assert abs(found[-1].onset - track.notes[-1].onset / scale) < 1


def mutated(random_source: random.Random, texts: list[str]) -> str:
    """A tune with a few of its characters or lines changed, dropped, doubled or moved."""
    text = random_source.choice(texts)
    for _ in range(random_source.randint(1, 8)):
        at = random_source.randrange(len(text) + 1)
        until = min(len(text), at + random_source.randint(1, 12))
        kind = random_source.randrange(6)
        if kind == 0:
            text = text[:at] + random_source.choice(CHARACTERS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[until:]
        elif kind == 2:
            text = text[:at] + text[at:until] * random_source.randint(2, 9) + text[until:]
        elif kind == 3:
            text = f"{text[:at]}\n{random_source.choice(LINES)}\n{text[at:]}"
        elif kind == 4:
            other = random_source.choice(texts)
            cut = random_source.randrange(len(other))
            text = text[:at] + other[cut : cut + random_source.randint(1, 40)] + text[at:]
        else:
            text = text[:at] + chr(random_source.choice((0x7F, 0xE9, 0x3000, 0xD800))) + text[at:]
    return text


def survives(text: str) -> None:
    """Everything is done with a text that can be; only InputError may come of it."""
    assert "".join(piece for _, piece, _ in lex(text)) == text
    for parsed in parse(text):
        for each in parsed.diagnostics:
            assert each.line >= 1
            assert each.column >= 1
            assert each.message
        assert (parsed.tune is None) == (parsed.error is not None)
        if parsed.tune is not None:
            write(perform(parsed.tune, chords=True))
    with contextlib.suppress(InputError):
        parse_tune(text)


def test_mutated_tunes_are_read_or_refused() -> None:
    random_source = random.Random(20)
    texts = collection("ryansMammoth")[::10]
    for _ in range(300):
        survives(mutated(random_source, texts))


def test_what_was_read_before_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random_source = random.Random(22)
    texts = collection("ryansMammoth")[::20]
    texts += [mutated(random_source, texts) for _ in range(200)]
    remembering = [list(parse(text)) for text in texts]
    for module in (marked_notes, note_reader):
        monkeypatch.setattr(module, "RUNS", Runs(most_tables=0, most_runs=-1))
    assert [list(parse(text)) for text in texts] == remembering


@pytest.mark.parametrize(
    "unit",
    ["[", "{", "(3", "+", '"', "!", "|:", "A>", "A-", "{[", "[V:1]A", "&", "w:a\n", "A\nw:a\n",
     "P:A\n", "U:T=!f!\n", "%%MIDI program 1\n", "A\\\n", "[K:G]", "|1A:|2", "X:1\nK:C\n",
     "m:a=b\n", "[M:3/4]", "^", "A`", "(", "A)", "s:*\n", "V:1\n", "A0", "Z", "y", "_C"],
)  # fmt: skip
def test_work_grows_no_faster_than_the_text(unit: str) -> None:
    def steps(count: int) -> int:
        """Lines of Python executed, which no other work on the machine can change."""
        executed = 0

        def trace(*_: object) -> object:
            nonlocal executed
            executed += 1
            return trace

        text = "X:1\nL:1/8\nK:C\n" + unit * count + "\n"
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            for parsed in parse(text):
                if parsed.tune is not None:
                    perform(parsed.tune)
        finally:
            sys.settrace(None)
        return executed

    few, many = steps(100), steps(400)
    assert many < 4.5 * few + 2000


def test_the_longest_repeats_are_bounded() -> None:
    tune = parse_tune("X:1\nK:C\n" + "|" + ":" * 500 + "A" + ":" * 500 + "|\n")
    assert len(perform(tune).tracks[0].notes) <= MAX_REPEATS
