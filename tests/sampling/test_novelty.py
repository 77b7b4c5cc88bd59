"""What is a copy, against a slow search; and samples that are drawn again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import UsageError
from seqgen.sampling.novelty import Novelty, _notes
from tests.support import seqgen

MakeModel = Callable[..., Path]
few = st.text("abc", max_size=30)


@given(corpus=st.lists(few, max_size=4), sample=few, longest=st.integers(1, 8))
def test_a_text_that_shares_more_than_it_may(corpus: list[str], sample: str, longest: int) -> None:
    stretches = [sample[at : at + longest + 1] for at in range(len(sample) - longest)]
    expected = any(stretch in text for stretch in stretches for text in corpus)
    assert Novelty(corpus, "text", longest).copies(sample) == expected


def tune(notes: list[tuple[int, int]], lowest: int = 0) -> str:
    letters = "CDEFGABcdefgab"
    music = "".join(f"{letters[pitch + lowest]}{length}" for pitch, length in notes)
    return f"X:1\nT:a\nM:none\nL:1/8\nK:C\n{music}|]\n"


some = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2)), min_size=1, max_size=14)


@given(first=some, second=some, longest=st.integers(1, 5))
def test_a_tune_that_shares_more_than_it_may(
    first: list[tuple[int, int]], second: list[tuple[int, int]], longest: int
) -> None:
    def stretches(notes: list[tuple[int, int]]) -> set[tuple[tuple[int, int], ...]]:
        semitones = [(0, 2, 4)[pitch] for pitch, _ in notes]
        return {
            tuple((semitones[k] - semitones[at], notes[k][1]) for k in range(at, at + longest + 1))
            for at in range(len(notes) - longest)
        }

    expected = bool(stretches(first) & stretches(second))
    assert Novelty([tune(first)], "abc", longest).copies(tune(second)) == expected
    # F G A are as far from each other as C D E.
    assert Novelty([tune(first)], "abc", longest).copies(tune(second, lowest=3)) == expected


def test_of_which_kinds() -> None:
    with pytest.raises(UsageError, match="writes MIDI"):
        Novelty([], "midi", 3)
    assert not Novelty(["no tune"], "abc", 1).copies("nor this")


@pytest.mark.parametrize("name", ["tunes", "prose"])
def test_copies_are_drawn_again_and_replayed(make_model: MakeModel, name: str) -> None:
    kind = "abc" if name == "tunes" else "text"
    folder = make_model("lstm", name=name, kind=kind).parent.parent
    draw = ["sample", "-m", name, "--seed", "1", "-n", "20", "--max-tokens", "90", "--json"]
    plain = [json.loads(line) for line in seqgen(*draw, cwd=folder).stdout.splitlines()]
    # What is drawn first is the corpus, so that it is copied; random tunes may have but one note.
    notes = [len(_notes(each["text"])) for each in plain]
    copied = sorted(range(20), key=lambda at: -notes[at])[:2] if kind == "abc" else [2, 4]
    suffix = ".abc" if kind == "abc" else ".txt"
    corpus = folder / f"corpus{suffix}"
    corpus.write_text("\n\n".join(plain[at]["text"].strip("\n") for at in copied) + "\n")
    novel = ["--novel", "2", "--corpus", str(corpus)]
    done = seqgen(*draw, *novel, "-v", cwd=folder)
    assert done.returncode == 0, done.stderr
    drawn = [json.loads(line) for line in done.stdout.splitlines()]
    again = [each["number"] for each in drawn if each["options"].get("attempt")]
    assert f"{len(again)} samples were drawn again".encode() in done.stderr
    assert set(copied) <= set(again)
    known = Novelty([plain[at]["text"] for at in copied], kind, 2)
    for old, new in zip(plain, drawn, strict=True):
        assert not known.copies(new["text"])
        assert (old["text"] == new["text"]) == (new["number"] not in again)
    assert seqgen("replay", "-", cwd=folder, stdin=done.stdout).stdout == done.stdout
    alone = seqgen(*draw[:5], "--first", str(copied[0]), *draw[7:], *novel, cwd=folder)
    assert alone.stdout == done.stdout.splitlines(keepends=True)[copied[0]]
    if kind == "abc":
        stamped = seqgen(*draw[:-1], *novel, cwd=folder)
        assert stamped.stdout.count(b'"attempt"') == len(again)
        assert seqgen("replay", "-", cwd=folder, stdin=stamped.stdout).stdout == stamped.stdout


def test_what_is_always_a_copy_is_an_error(make_model: MakeModel) -> None:
    folder = make_model("lstm", name="prose", kind="text").parent.parent
    (folder / "a.txt").write_text("zzzzzzzzzz")
    draw = ["sample", "-m", "prose", "--regex", "z{9}", "--novel", "3", "--seed", "1", "-q"]
    done = seqgen(*draw, "--corpus", "a.txt", cwd=folder)
    if b"pip install" in done.stderr:
        pytest.skip("needs llguidance")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"50 draws of sample 0 copied the corpus" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--novel", "9"],
        ["--corpus", "a.txt"],
        ["--novel", "9", "--corpus", "a.txt", "--explain"],
        ["--novel", "0", "--corpus", "a.txt"],
        ["--novel", "9", "--corpus", "a.txt"],
    ],
)
def test_what_has_no_meaning_is_refused(make_model: MakeModel, arguments: list[str]) -> None:
    folder = make_model("lstm", name="tunes").parent.parent
    (folder / "a.txt").write_text("text, and no tune")
    done = seqgen("sample", "-m", "tunes", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
