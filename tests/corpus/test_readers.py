"""Files, folders, patterns, standard input and names, to a corpus."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.readers import load
from seqgen.errors import InputError
from tests.support import write

TUNE = "X:1\nT:One\nK:D\nDEFG ABcd|\n"
OTHER = "X:2\nT:Two\nK:Am\nABcd|\n"


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_of_tunes() -> None:
    corpus = load([write("sub/reels.abc", f"{TUNE}\n\n{OTHER}\n")])

    assert corpus == Corpus(
        "reels",
        "abc",
        (
            Document(TUNE, "sub/reels.abc", len(TUNE) + 1),
            Document(OTHER, "sub/reels.abc", len(OTHER) + 1),
        ),
    )
    assert corpus.characters == len(f"{TUNE}\n{OTHER}\n")


def test_contents_not_the_suffix_decide_the_kind() -> None:
    assert load([write("tunes.txt", TUNE)]).kind == "abc"
    assert load([write("prose.abc", "An X: in a sentence.\n")]).kind == "text"


def test_byte_order_mark_and_crlf() -> None:
    tunes = load([write("a.abc", b"\xef\xbb\xbf" + TUNE.replace("\n", "\r\n").encode())])
    prose = load([write("b.txt", b"\xef\xbb\xbfone\r\ntwo\r\n\r\n")])

    assert [d.text for d in tunes.documents] == [TUNE]
    assert [d.text for d in prose.documents] == ["one\r\ntwo\r\n\r\n"]
    assert prose.characters == 12


@given(text=st.text().filter(lambda t: t.strip() and "\0" not in t and "X:" not in t))
def test_text_is_kept_to_the_character(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "kept.txt"
    path.write_bytes(text.encode())

    assert load([str(path)]).documents[0].text == text.removeprefix("\ufeff")


def test_a_folder_is_searched_sorted_without_hidden_and_other_files() -> None:
    for name in ("b/z.txt", "b/a.md", "a/one.TXT", ".hidden/no.txt", "b/.no.txt", "b/no.png"):
        write(f"notes/{name}", f"from {name}")
    write("notes/blank.txt", " \n")

    corpus = load(["notes"])

    assert corpus.name == "notes"
    assert [d.text for d in corpus.documents] == ["from a/one.TXT", "from b/a.md", "from b/z.txt"]
    assert corpus.documents[0].source == str(Path("notes/a/one.TXT"))


def test_the_current_folder_has_a_name() -> None:
    write("one.txt", "words")

    assert load(["."]).name == Path.cwd().name


def test_a_folder_without_text_is_refused() -> None:
    write("pictures/a.png", b"\x89PNG")

    with pytest.raises(InputError, match=r"^pictures: no \.abc, \.txt, \.mid or other file"):
        load(["pictures"])


def test_patterns_the_shell_left_alone() -> None:
    write("t/a.abc", TUNE)
    write("t/deep/er/b.abc", OTHER)
    write("t/.c.abc", OTHER)
    write("t/d.txt", "words")

    assert [d.text for d in load(["t/**/*.abc"]).documents] == [TUNE, OTHER]
    assert load(["t/*.abc"]).name == "a"
    assert load([str(Path.cwd() / "t/*.txt")]).kind == "text"
    with pytest.raises(InputError, match=r"^t/\*\.mid: no file matches"):
        load(["t/*.mid"])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file() -> None:
    write("tune[1].abc", TUNE)
    write("tune1.abc", OTHER)

    assert [d.text for d in load(["tune[1].abc"]).documents] == [TUNE]


def test_each_file_is_read_once_however_often_named() -> None:
    write("t/a.abc", TUNE)
    write("t/b.abc", OTHER)

    corpus = load(["t/b.abc", "t", "./t/a.abc", "t/*.abc"])

    assert corpus.name == "corpus"
    assert [d.text for d in corpus.documents] == [OTHER, TUNE]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TUNE.encode())))

    corpus = load(["-"])

    assert (corpus.name, corpus.kind) == ("stdin", "abc")
    assert corpus.documents[0].source == "-"


def test_mixed_kinds_say_which_is_which() -> None:
    for name in "abcde":
        write(f"t/{name}.abc", TUNE)
    write("t/readme.md", "About these tunes.\n")

    with pytest.raises(
        InputError, match=r"hold tunes: t/a.abc, t/b.abc, t/c.abc and 2 more; .*text: t/readme.md;"
    ):
        load(["t"])


def test_another_encoding_is_offered_and_used() -> None:
    name = write("latin.txt", "caf\xe9 noir".encode("latin-1"))

    with pytest.raises(InputError, match=r"^latin.txt:1: byte 3 \(0xe9\) is not UTF-8; .*latin-1"):
        load([name])
    assert load([name], encoding="latin-1").documents[0].text == "caf\xe9 noir"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; name a file with tunes or text"),
        (b" \r\n\n\t", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\x7fELF\0\0\xff", "is a binary file"),
    ],
)
def test_a_useless_file_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"^bad\.txt: {message}"):
        load([write("bad.txt", data), write("good.txt", "words")])


def test_a_folder_of_empty_files_is_refused() -> None:
    write("t/a.txt", "")

    with pytest.raises(
        InputError, match=r"^t: holds nothing to learn from: every file in it is empty"
    ):
        load(["t"])


def test_a_pipe_in_the_file_system_is_refused_at_once() -> None:
    os.mkfifo("fifo.txt")

    with pytest.raises(InputError, match=r"^fifo\.txt: is not a regular file"):
        load(["fifo.txt"])


def test_neither_file_nor_corpus() -> None:
    with pytest.raises(
        InputError,
        match=r"^ryans-mamoth: is neither a file nor a catalogued corpus; "
        r"did you mean ryans-mammoth\? `seqgen corpus list` names them$",
    ):
        load(["ryans-mamoth"])
    with pytest.raises(InputError, match=r"corpus; `seqgen corpus list`"):
        load(["zzz/qqq.abc"])
    with pytest.raises(InputError, match="neither a file nor"):
        load(["x" * 5000])


def test_a_path_wins_over_a_collection_of_that_name() -> None:
    write("ryansMammoth", "My own words.\n")

    corpus = load(["ryansMammoth"])

    assert (corpus.name, corpus.kind, len(corpus.documents)) == ("ryansMammoth", "text", 1)


@given(st.lists(st.text("ab", max_size=3), max_size=4), st.lists(st.text("ab", max_size=3)))
def test_digests_are_equal_exactly_for_equal_texts(one: list[str], two: list[str]) -> None:
    def digest(texts: list[str]) -> str:
        return Corpus("n", "text", tuple(Document(t, "s", len(t)) for t in texts)).digest

    assert (digest(one) == digest(two)) is (one == two)
