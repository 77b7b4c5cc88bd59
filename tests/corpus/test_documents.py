"""Documents in memory and in files: the same texts, however they are divided."""

from __future__ import annotations

import itertools
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import files
from seqgen.corpus import documents
from seqgen.corpus.documents import Corpus, Document, FileDocument
from seqgen.corpus.readers import load
from seqgen.corpus.split import split
from seqgen.errors import InputError

lines = st.text(alphabet="ab é\U0001d11e\r\n\n\n", min_size=1, max_size=60)


def in_memory(text: str) -> Document:
    return Document(text, "some", len(text))


@given(text=lines, size=st.integers(1, 12))
def test_blocks_join_to_the_text_and_end_with_all_of_its_line_ends(text: str, size: int) -> None:
    with patch.object(documents, "BLOCK", size):
        blocks = list(in_memory(text).blocks())
    assert "".join(blocks) == text
    assert all(0 < len(block) <= size for block in blocks)
    for block, following in itertools.pairwise(blocks):
        whole = block.endswith("\n") and not following.startswith("\n")
        # Otherwise there was no such place within reach.
        assert whole or not any(
            (block + following)[at - 1] == "\n" != (block + following)[at]
            for at in range(1, len(block) + 1)
        )


@given(
    text=lines.filter(lambda text: not text.isspace()),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32", "gb18030"]),
    size=st.integers(1, 12),
    data=st.data(),
)
def test_a_text_in_a_file_is_the_text_in_memory(
    text: str,
    encoding: str,
    size: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "some.txt"
    path.write_bytes(text.encode(encoding))
    stop = data.draw(st.integers(0, len(text)))
    start = data.draw(st.integers(0, stop))
    with patch.object(documents, "BLOCK", size), patch.object(files, "PIECE_BYTES", size):
        document = FileDocument.open(path, "some", encoding)
        assert document is not None
        for one, other in (
            (document, in_memory(text)),
            (document.part(start, stop), in_memory(text).part(start, stop)),
            (document.part(start, len(text)).part(0, stop - start), in_memory(text[start:stop])),
        ):
            assert (one.text, one.characters) == (other.text, other.characters)
            assert list(one.blocks()) == list(other.blocks())
            digests = {Corpus("n", "text", (each,)).digest for each in (one, other)}
            assert len(digests) == 1


def test_a_file_that_changes_is_not_mixed_with_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "growing.log"
    path.write_text("one\n")
    document = FileDocument.open(path, "growing.log", "utf-8")
    assert document is not None
    blocks = document.blocks()
    path.write_text("one\ntwo\n")
    for read in (lambda: list(blocks), lambda: document.text):
        with pytest.raises(InputError, match=r"^growing\.log: changed while it was being read"):
            read()


TUNE = "X:1\nK:D\nDEFG|\n"


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve texts in the folder `t` of the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    texts = [f"{number} " + "words and words\n" * (10 + number) for number in range(12)]
    for number, text in enumerate(texts):
        (tmp_path / "t" / f"{number:02}.txt").write_text(text)
    return texts


@pytest.mark.parametrize("number", [1, 12])
@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_a_large_corpus_stays_in_its_files_and_is_divided_the_same(
    number: int, fraction: float, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [f"t/{at:02}.txt" for at in range(number)]
    small = split(load(named), fraction=fraction, seed=3)
    monkeypatch.setattr(documents, "LARGE", 100)
    monkeypatch.setattr(documents, "BLOCK", 40)
    corpus = load(named)
    large = split(corpus, fraction=fraction, seed=3)
    assert all(isinstance(document, FileDocument) for document in corpus.documents)
    for one, other in zip(small, large, strict=True):
        assert [d.text for d in one.documents] == [d.text for d in other.documents]
        assert (one.digest, one.characters) == (other.digest, other.characters)


def test_tunes_and_blanks_among_large_files(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LARGE", 10)
    Path("blank.txt").write_text(" \n" * 20)
    Path("tunes.txt").write_text(TUNE * 3)
    assert load(["tunes.txt"]).documents == tuple([Document(TUNE, "tunes.txt", len(TUNE) + 1)] * 3)
    with pytest.raises(InputError, match=r"^blank\.txt: is empty"):
        load(["t", "blank.txt"])
    with pytest.raises(
        InputError, match=r"hold text: t/00\.txt.*; but these hold tunes: tunes\.txt;"
    ):
        load(["t", "tunes.txt"])
    Path("t/blank.txt").write_text(" \n")
    assert len(load(["t"]).documents) == len(texts)
