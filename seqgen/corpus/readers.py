"""From what a user names (files, folders, patterns, ``-``, collections) to a corpus."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from seqgen.corpus import catalog, documents
from seqgen.corpus.documents import Corpus, Document, FileDocument, Kind
from seqgen.corpus.scores import MIDI_SUFFIXES, SCORE_SUFFIXES, form_of, read_midi, read_score
from seqgen.corpus.tunes import find_tunes
from seqgen.errors import InputError
from seqgen.files import STDIN, decode_text, read_bytes, stream_text

__all__ = ["load", "survey"]

TEXT_SUFFIXES = frozenset(
    {".abc", ".adoc", ".asc", ".htm", ".html", ".markdown", ".md", ".org", ".rst", ".tex", ".text"}
    | {".txt", ".xml"}
)
"""What counts as text when a folder is searched; a file named by itself may be called anything."""

SUFFIXES = TEXT_SUFFIXES | MIDI_SUFFIXES | SCORE_SUFFIXES
WHAT: dict[Kind, str] = {"abc": "tunes", "text": "text", "midi": "MIDI"}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path | str
    source: str
    encoding: str
    found_in_folder: bool = False


def load(sources: Sequence[str], *, encoding: str = "utf-8") -> Corpus:
    """Read everything named into one corpus.

    A source is a file; a folder, searched with its subfolders for files with a suffix of text, MIDI
    or scores, hidden ones apart; a pattern such as ``tunes/**/*.abc`` that the shell left as it
    was; ``-`` for standard input; or a catalogued collection. What exists as a path wins over a
    collection of that name. Files are read in the order of the sources, sorted within each, and
    each file once.

    What a file holds is decided by its contents (see :func:`seqgen.corpus.tunes.find_tunes`) and,
    for MIDI and scores, its suffix, and all files must agree. ABC is divided into tunes, MusicXML
    and **kern become tunes in ABC, MIDI becomes events; text is kept as decoded, line ends and all,
    without a byte-order mark. A file of white space alone, or MIDI without notes, is refused when
    named and passed over in a folder. Where the files are large, texts are not kept but read again
    when they are needed; standard input, and all else, always are.

    Args:
        sources: what the user named; none means the collection ``catalog.DEFAULT``.
        encoding: of all files and standard input, other than catalogued collections (UTF-8).
    Raises:
        InputError: a source is missing, empty, binary, in another encoding, or neither a file nor a
            collection; a MIDI file or score is damaged; or the files are of different kinds.
    """
    named = list(sources) or [catalog.DEFAULT]
    files = _distinct([file for source in named for file in _files(source, encoding)])
    large = sum(map(_size_bytes, files)) > documents.LARGE
    found: dict[Kind, list[Document | FileDocument]] = {}
    for file in files:
        kind, read = _open(file) if large and _holds_text(file) else _read(file)
        if read:
            found.setdefault(kind, []).extend(read)
        elif not file.found_in_folder:
            what = "notes" if kind == "midi" else "tunes or text"
            raise InputError(f"is empty; name a file with {what}", path=file.source)
    if not found:
        raise InputError(
            "holds nothing to learn from: every file in it is empty", path=", ".join(named)
        )
    if len(found) > 1:
        _refuse_mixture(found)
    ((kind, together),) = found.items()
    return Corpus(_name(named, files), kind, tuple(together))


def _open(file: _File) -> tuple[Kind, list[FileDocument]]:
    """A text that stays in its file."""
    document = FileDocument.open(Path(file.path), file.source, file.encoding)
    return "text", [] if document is None else [document]


def _read(file: _File) -> tuple[Kind, list[Document]]:
    """What kind of thing a file holds, and the documents in it."""
    data = read_bytes(file.path)
    suffix = Path(file.source).suffix.lower()
    form = form_of(data, suffix)
    if form in MIDI_SUFFIXES:
        piece = read_midi(data, file.source)
        return "midi", [] if piece is None else [piece]
    if form is not None:
        return "abc", read_score(data, file.source, form, file.encoding)
    text = decode_text(data, path=file.path, encoding=file.encoding)
    tunes = find_tunes(text, suffix=suffix)
    if tunes:
        return "abc", [Document(tune, file.source, len(tune) + 1) for tune in tunes]
    return "text", [Document(text, file.source, len(text))] if text.strip() else []


def _holds_text(file: _File) -> bool:
    """Whether a file's beginning says that it is no ABC, and that it can be read again."""
    suffix = Path(file.source).suffix
    if file.path == STDIN or suffix.lower() in {".abc", *MIDI_SUFFIXES, *SCORE_SUFFIXES}:
        return False
    try:
        beginning = next(stream_text(file.path, encoding=file.encoding), "")
    except InputError:  # reading it whole says so
        return False
    return not find_tunes(beginning, suffix=suffix)


def survey(sources: Sequence[str]) -> tuple[str, list[Path]]:
    """What load would name the corpus, and the files it would read; none of them is opened.

    Raises:
        InputError: a source is missing.
    """
    named = list(sources) or [catalog.DEFAULT]
    files = _distinct([file for source in named for file in _files(source, "utf-8")])
    return _name(named, files), [Path(file.path) for file in files if file.path != STDIN]


def _files(source: str, encoding: str) -> list[_File]:
    """The files that one source stands for, at least one."""
    if source == STDIN:
        return [_File(STDIN, STDIN, encoding)]
    # os.path rather than Path: these say False, not ValueError, for what can't be a path at all.
    if os.path.isdir(source):  # noqa: PTH112 -- a Path has lost its slash
        return _files_in_folder(source, encoding)
    if os.path.lexists(source):
        return [_File(source, source, encoding)]
    if (entry := catalog.find(source)) is not None:
        return [
            _File(path, f"{entry.name}/{path.name}", "utf-8", found_in_folder=True)
            for path in catalog.files(entry)
        ]
    if any(character in source for character in "*?["):
        matches = sorted(_matches(source))
        if not matches:
            raise InputError("no file matches this pattern", path=source)
        return [file for match in matches for file in _files(match, encoding)]
    near = catalog.nearest(source)
    hint = f"did you mean {near}? " if near else ""
    raise InputError(
        f"is neither a file nor a catalogued corpus; {hint}`seqgen corpus list` names them",
        path=source,
    )


def _matches(pattern: str) -> list[str]:
    """What a shell would make of a pattern; ``**/`` stands for any folders, links not followed.

    pathlib's own patterns match hidden files and refuse absolute ones, and glob's ``**`` follows
    links: round in circles, twice as often for each link to a folder above.
    """
    before, deep, after = pattern.partition("**/")
    if not deep or (before and not before.endswith("/")):
        return glob.glob(pattern)  # noqa: PTH207 -- keeps the slash
    found = []
    for top in glob.glob(before) if before else [""]:  # noqa: PTH207 -- keeps the slash
        for parent, folders, _ in os.walk(top or os.curdir):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = f"{parent.rstrip('/')}/"
            if not top:
                inside = inside[2:]  # the ./ that was not asked for
            found += _matches(glob.escape(inside) + after)
    return found


def _files_in_folder(folder: str, encoding: str) -> list[_File]:
    def fail(error: OSError) -> NoReturn:
        # Left to itself, os.walk would pass over what it may not read.
        raise InputError(f"can't be read: {error.strerror}", path=error.filename) from error

    files = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                files.append(_File(path, str(path), encoding, found_in_folder=True))
    if not files:
        raise InputError(
            "no .abc, .txt, .mid or other file to learn from in this folder", path=folder
        )
    return files


def _distinct(files: list[_File]) -> list[_File]:
    """Each file once, where it comes first: sources may overlap."""
    seen: dict[object, _File] = {}
    for file in files:
        try:
            status = Path(file.path).stat()
            identity: object = (status.st_dev, status.st_ino)
        except OSError:  # standard input, or what read_text will refuse in words
            identity = file.path
        seen.setdefault(identity, file)
    return list(seen.values())


def _size_bytes(file: _File) -> int:
    try:
        return Path(file.path).stat().st_size
    except OSError:  # as in _distinct
        return 0


def _refuse_mixture(found: Mapping[Kind, Sequence[Document | FileDocument]]) -> NoReturn:
    def some(together: Sequence[Document | FileDocument]) -> str:
        sources = list(dict.fromkeys(document.source for document in together))
        rest = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
        return ", ".join(sources[:3]) + rest

    held = "; but ".join(
        f"these hold {WHAT[kind]}: {some(together)}" for kind, together in found.items()
    )
    pattern = "*.mid" if "midi" in found else "*.abc"
    raise InputError(
        f"{held}; a model learns one kind: name those files alone, such as 'folder/**/{pattern}'"
    )


def _name(named: list[str], files: list[_File]) -> str:
    if len(named) > 1:
        return "corpus"
    source = named[0]
    if source == STDIN:
        return "stdin"
    if os.path.isdir(source):  # noqa: PTH112 -- a Path has lost its slash
        name = Path(source).resolve().name
    elif not os.path.lexists(source) and (entry := catalog.find(source)) is not None:
        name = entry.name
    else:
        name = Path(files[0].source).stem if len(files) == 1 else ""
    return name.strip(".") or "corpus"
