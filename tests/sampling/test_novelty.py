"""What is a copy, against a slow search; and samples that are drawn again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import checkpoint
from seqgen.corpus import runs
from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.runs import build
from seqgen.errors import UsageError
from seqgen.sampling.novelty import Indexed, Novelty
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
    notes = [len(runs._notes(each["text"])) for each in plain]
    copied = sorted(range(20), key=lambda at: -notes[at])[:2] if kind == "abc" else [2, 4]
    suffix = ".abc" if kind == "abc" else ".txt"
    corpus = folder / f"corpus{suffix}"
    corpus.write_text("\n\n".join(plain[at]["text"].strip("\n") for at in copied) + "\n")
    novel = ["--novel", "--max-shared", "2", "--corpus", str(corpus)]
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
    draw = ["sample", "-m", "prose", "--regex", "z{9}", "--seed", "1", "-q"]
    done = seqgen(*draw, "--novel", "--max-shared", "3", "--corpus", "a.txt", cwd=folder)
    if b"pip install" in done.stderr:
        pytest.skip("needs llguidance")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"50 draws of sample 0 copied the corpus" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-shared", "9"], "add --novel"),
        (["--corpus", "a.txt"], "add --novel"),
        (["--novel"], "no index of what the model has learnt from"),
        (["--novel", "--corpus", "a.txt", "--explain"], "no --infill, --explain"),
        (["--novel", "--corpus", "a.txt", "--max-shared", "0"], "greater than or equal to 1"),
        (["--novel", "--corpus", "a.txt"], "--corpus holds text, and the model writes abc"),
    ],
)
def test_what_has_no_meaning_is_refused(
    make_model: MakeModel, arguments: list[str], message: str
) -> None:
    folder = make_model("lstm", name="tunes").parent.parent
    (folder / "a.txt").write_text("text, and no tune")
    done = seqgen("sample", "-m", "tunes", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


def text_index(text: str, stride: int) -> runs.RunIndex:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs, "MOST_RUNS", -(-len(text) // stride))
        index = build(Corpus("made", "text", (Document(text, "made", len(text)),)))
    assert index is not None
    return index


def longest_shared(text: str, corpus: str) -> int:
    return max(
        (
            size
            for at in range(len(text))
            for size in range(1, len(text) - at + 1)
            if text[at : at + size] in corpus
        ),
        default=0,
    )


@given(
    corpus=st.text("abcdefgh", min_size=70, max_size=140),
    begin=st.integers(0, 60),
    size=st.integers(0, 70),
    around=st.tuples(st.text("abcdefgh", max_size=9), st.text("abcdefgh", max_size=9)),
    stride=st.integers(1, 5),
    more=st.integers(0, 20),
)
def test_an_index_misses_no_copy_and_refuses_nothing_much_shorter(
    corpus: str, begin: int, size: int, around: tuple[str, str], stride: int, more: int
) -> None:
    sample = around[0] + corpus[begin : begin + size] + around[1]
    index = text_index(corpus, stride)
    assert index.stride <= stride
    longest = index.length - 2 + 3 * index.stride + more
    shared = longest_shared(sample, corpus)
    copies = Indexed([index], "text", longest).copies(sample)
    if shared > longest:
        assert copies
    elif copies:  # the same examples each time: none of them is a chance
        assert shared > longest + 1 - 2 * index.stride


def test_an_index_says_what_it_can_tell() -> None:
    index = text_index("abcdefghij" * 20, stride=4)
    assert index.stride == 4
    with pytest.raises(UsageError, match=r"shares more than 26 characters.*for 25 name"):
        Indexed([index], "text", 25)
    assert Indexed([index], "text", 26).longest == 26
    assert Indexed([index], "text", None).longest == 30
    assert Indexed([text_index("abcdefghij" * 20, stride=9)], "text", None).longest == 41
    with pytest.raises(UsageError, match="writes MIDI"):
        Indexed([index], "midi", None)


def test_copies_of_what_the_model_file_knows_are_drawn_again(make_model: MakeModel) -> None:
    path = make_model("lstm", name="prose", kind="text", text="abcdefgh\n")
    folder = path.parent.parent
    draw = ["sample", "-m", "prose", "--seed", "1", "-n", "6", "--max-tokens", "200", "--json"]
    plain = [json.loads(line) for line in seqgen(*draw, cwd=folder).stdout.splitlines()]
    saved = checkpoint.load(path)
    learnt = max((each["text"] for each in plain), key=len)
    checkpoint.save(path, saved.card, saved.weights, index=[text_index(learnt, 1)])
    done = seqgen(*draw, "--novel", cwd=folder)
    assert done.returncode == 0, done.stderr
    drawn = [json.loads(line) for line in done.stdout.splitlines()]
    again = [each["number"] for each in drawn if each["options"].get("attempt")]
    assert again == [each["number"] for each in plain if each["text"] == learnt]
    assert all(longest_shared(each["text"], learnt) <= 30 < len(learnt) for each in drawn)
    assert seqgen("replay", "-", cwd=folder, stdin=done.stdout).stdout == done.stdout
    less = seqgen(*draw, "--novel", "--max-shared", "9", cwd=folder)
    assert (less.returncode, less.stdout) == (2, b"")
    assert b"--corpus FILE" in less.stderr
    # A file of half the size compares with the same.
    half = folder / "half.safetensors"
    assert seqgen("convert", str(path), str(half), cwd=folder).returncode == 0
    assert checkpoint.load(half).index[0].same(checkpoint.load(path).index[0])
    shown = seqgen("show", str(half), cwd=folder).stdout.decode()
    assert "every run of 16 characters" in shown
    assert json.loads(seqgen("show", "--json", str(half), cwd=folder).stdout)["index"]
