"""The collections seqgen knows by name: those inside the music21 package, and downloadable ones."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from seqgen.corpus.documents import Kind
from seqgen.corpus.download import Download, fetch
from seqgen.errors import InputError

__all__ = ["CATALOG", "DEFAULT", "Embedded", "Entry", "files", "find", "nearest"]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A folder of ABC files in the corpus that the music21 package carries."""

    folder: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One catalogued collection.

    Attributes:
        name: what a user types; case, hyphens and underscores make no difference.
        title: its full name.
        what: what it holds, in a few words.
        kind: ``"abc"`` or ``"text"``.
        documents: how many tunes, or texts.
        licence: what is known of the rights in it.
        source: where it comes from and who encoded it.
        place: how its files are found.
    """

    name: str
    title: str
    what: str
    kind: Kind
    documents: int
    licence: str
    source: str
    place: Embedded | Download


_ENTRIES = (
    Entry(
        name="ryans-mammoth",
        title="Ryan's Mammoth Collection",
        what="fiddle tunes: reels, jigs, hornpipes, clogs",
        kind="abc",
        documents=1059,
        licence="tunes in the public domain; ABC shared with permission",
        source="Boston, 1883; ABC by Ray Davies and others, in music21",
        place=Embedded("ryansMammoth"),
    ),
    Entry(
        name="oneills1850",
        title="O'Neill's Music of Ireland",
        what="Irish airs, jigs, reels, hornpipes, marches",
        kind="abc",
        documents=2009,
        licence="tunes in the public domain; ABC shared with permission",
        source="Chicago, 1903; ABC by many (named in Z: lines), in music21",
        place=Embedded("oneills1850"),
    ),
    Entry(
        name="essen-folksong",
        title="Essen Folksong Collection",
        what="European and Chinese folk songs, melodies only",
        kind="abc",
        documents=8514,
        licence="unclear; shared with permission for non-commercial use",
        source="H. Schaffrath and E. Dahlig-Turek; ABC by S. Shlien, in music21",
        place=Embedded("essenFolksong"),
    ),
    Entry(
        name="airds-airs",
        title="Aird's Airs",
        what="Scotch, English, Irish and foreign airs",
        kind="abc",
        documents=1180,
        licence="tunes in the public domain; ABC shared with permission",
        source="Glasgow, 1778 and later; ABC by Jack Campin, in music21",
        place=Embedded("airdsAirs"),
    ),
    Entry(
        name="irish",
        title="Irish session tunes of the MIT deep-learning lab",
        what="reels, jigs, hornpipes, polkas",
        kind="abc",
        documents=804,
        licence="MIT licence",
        source="MIT Introduction to Deep Learning, lab 1",
        place=Download(
            url="https://raw.githubusercontent.com/MITDeepLearning/introtodeeplearning/master/"
            "mitdeeplearning/data/irish.abc",
            sha256="df3782d5f7b5a2f4c66aa7c13f13008d5f48757b3f5f51620cd6c1ceb2c53023",
            file="irish.abc",
        ),
    ),
    Entry(
        name="tinyshakespeare",
        title="Tiny Shakespeare",
        what="scenes from Shakespeare's plays in one file",
        kind="text",
        documents=1,
        licence="text in the public domain",
        source="A. Karpathy, char-rnn",
        place=Download(
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
            "input.txt",
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            file="tinyshakespeare.txt",
        ),
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}

DEFAULT = "ryans-mammoth"
"""The collection to learn from where none is named."""


def find(name: str) -> Entry | None:
    """The entry of that name (``ryans-mammoth``, or as music21 spells it, ``ryansMammoth``)."""
    return {_plain(entry.name): entry for entry in CATALOG.values()}.get(_plain(name))


def nearest(name: str) -> str | None:
    """The catalogued name most like a misspelt one, None if none is much like it."""
    plain = {_plain(known): known for known in CATALOG}
    close = difflib.get_close_matches(_plain(name), plain, n=1)
    return plain[close[0]] if close else None


def files(entry: Entry) -> list[Path]:
    """The files of a collection, sorted; a downloadable one is fetched if it is not here yet.

    Raises:
        InputError: music21 is not installed or came without its corpus, or a download failed.
    """
    if isinstance(entry.place, Download):
        return [fetch(entry.name, entry.place)]
    # Finding the package, unlike importing it (0.5 s and more), costs next to nothing.
    spec = importlib.util.find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "this collection is part of the package music21, which is not installed; "
            "install it with: pip install music21",
            path=entry.name,
        )
    folder = Path(spec.submodule_search_locations[0]) / "corpus" / entry.place.folder
    found = sorted(folder.glob("*.abc"))
    if not found:
        raise InputError(
            f"the installed music21 carries no such collection ({folder}); "
            "reinstall it with: pip install --force-reinstall music21",
            path=entry.name,
        )
    return found


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
