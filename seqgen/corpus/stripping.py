"""Leaving out what a tune is called, which says nothing of how it sounds.

A title costs a network more than the same length of music and teaches it no music; a reference
number is chance. Both stand where a tune begins, so a model that has learnt without them writes
what follows, and what a valid tune needs is put before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.corpus.documents import Corpus

__all__ = [
    "LEFT_OUT",
    "Strip",
    "split_heading",
    "strip",
    "strip_corpus",
    "stripped_by",
    "with_heading",
]

Strip = Literal["numbers", "titles"]
"""``numbers``: the ``X:`` line; ``titles``: that and every ``T:`` line."""

LEFT_OUT: dict[Strip, str] = {"numbers": "numbers", "titles": "titles and numbers"}
"""What is left out, in words."""

# A title may go on in a line that begins with +: (ABC 2.1, section 3.3).
_LINES: dict[Strip, re.Pattern[str]] = {
    "numbers": re.compile(r"\AX:.*\n?"),
    "titles": re.compile(r"\AX:.*\n?|^T:(?![|:]).*\n?(?:\+:.*\n?)*", re.MULTILINE),
}
_HEADING = re.compile(r"(X:.*(?:\n|\Z))?((?:T:.*(?:\n|\Z)(?:\+:.*(?:\n|\Z))*)*)")
_UNTITLED = "Untitled"


def strip(text: str, what: Strip) -> str:
    """A tune's text without those lines."""
    return _LINES[what].sub("", text)


def strip_corpus(corpus: Corpus, what: Strip) -> Corpus:
    """A corpus of tunes without those lines, which no longer count as characters either.

    A tune that has no others is left out.

    Raises:
        UsageError: the corpus holds no tunes.
    """
    from seqgen.corpus.documents import Document

    if corpus.kind != "abc":
        raise UsageError(f"--strip {what} is for tunes, and the corpus holds {corpus.kind}")
    texts = [strip(document.text, what) for document in corpus.documents]
    documents = tuple(
        Document(text, document.source, len(text) + 1)
        for document, text in zip(corpus.documents, texts, strict=True)
        if text.strip()
    )
    return replace(corpus, documents=documents)


def with_heading(text: str, what: Strip = "titles", *, number: int = 1, title: str = "") -> str:
    """A tune with the lines that it must begin with: its own, or where it has none, others.

    Args:
        what: may be missing.
        number, title: of the tune where it has none; an empty title is ``Untitled``.
    """
    own_number, own_titles, rest = split_heading(text, what)
    own_number = own_number or f"X:{number}\n"
    if what == "titles":
        own_titles = own_titles or f"T:{title or _UNTITLED}\n"
    return own_number + own_titles + rest


def split_heading(text: str, what: Strip | None) -> tuple[str, str, str]:
    """The number's line and the titles' lines that a tune begins with, and the rest.

    What ``what`` does not name belongs to the rest. An unfinished line is finished.
    """
    found = _HEADING.match(text)
    if what is None or found is None:
        return "", "", text
    number, titles = found[1] or "", found[2] if what == "titles" else ""
    rest = text[len(number) + len(titles) :]
    return _finish(number), _finish(titles), rest


def _finish(lines: str) -> str:
    return lines if not lines or lines.endswith("\n") else lines + "\n"


def stripped_by(values: Mapping[str, object]) -> Strip | None:
    """What is left out, as the options of a run or the ``corpus`` of a model's card say."""
    return next((each for each in get_args(Strip) if each == values.get("strip")), None)
