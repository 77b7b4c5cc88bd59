"""Where the tunes in a file of ABC begin and end, and whether a text is ABC at all.

The structure is that of the ABC standard 2.1, section 2.2: a tune is an ``X:`` line and what
follows up to an empty line (one of white space alone counts as empty); before and between the tunes
stand an optional file header and free text, which are no part of any tune.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

from seqgen.errors import InputError

__all__ = ["field", "find_tunes", "stream_tunes"]

LONGEST = 1 << 24  # characters of a stretch that tunes are looked for in, as they come

# From an X: line to the next one, an empty line or the end.
_TUNE = re.compile(r"^X:.*(?:\n(?!X:|[ \t]*$).*)*", re.MULTILINE)

# A reference number (possibly missing) and, later, a K: line whose value reads as a key: what every
# tune has and what prose, even a dialogue between X and K, has not. Real collections hold keys such
# as EM, Bn, Es and H beside the standard's, so a short word that begins like one is enough.
_TUNE_HEADER = re.compile(
    r"X:[ \t]*(?:\d.*)?\n(?:.*\n)*?K:[ \t]*"
    r"(?:$|%|none\b|clef=|[A-Ha-h][#b]?(?:[A-Za-z]{0,2}\b|(?i:maj|min|ion|dor|phr|lyd|mix|aeo|loc|exp)))",
    re.MULTILINE,
)

# File-header fields that say how the tunes read or what they are to a player. The rest of the
# header (transcriber, book, history ...) would repeat one line in every tune and teach nothing.
_INHERITED = re.compile(r"^([LMRUmI]):.*$", re.MULTILINE)
_ONE_PER_TUNE = "LMR"


def find_tunes(text: str, *, suffix: str = "") -> list[str]:
    """The tunes in an ABC text, or an empty list if the text is not ABC.

    A text is ABC if blocks with a proper tune header (``X:`` with a number, then ``K:`` with a key)
    make up at least half of its characters, blanks at the ends aside; a file called ``.abc`` needs
    only one such block, since its name settles the doubt. Prose that mentions ``X:``, or a manual
    that quotes a few tunes, is text under any other name.

    Each tune comes back with ``\\n`` line ends and exactly one at its end. Fields of the file
    header that change how a tune reads (``L: M: R: U: m: I:``) are written into each tune after its
    ``X:`` and ``T:`` lines, unless it has its own ``L:``, ``M:`` or ``R:``: a document must mean
    the same alone as it did in its file. Other header fields, free text between tunes, and
    stylesheet directives before the first tune are left out.

    Args:
        text: a whole file, with any line ends.
        suffix: the file's suffix, such as ``".abc"``; empty if it has none.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    tunes = [tune for _, tune in _blocks(text)]
    proper = sum(len(tune) for tune in tunes if _TUNE_HEADER.match(tune))
    if proper == 0 or (suffix.lower() != ".abc" and 2 * proper < len(text.strip())):
        return []
    inherited = list(_INHERITED.finditer(_file_header(text)))
    if inherited:
        tunes = [_inherit(tune, inherited) for tune in tunes]
    return tunes


def stream_tunes(
    pieces: Iterable[str], *, path: str | None = None
) -> Iterator[list[tuple[int, str]]]:
    """The tunes of an ABC text that comes in pieces, those of each piece as soon as they are whole.

    They are what find_tunes finds in the whole, if it finds any, with the line that each begins in.

    Raises:
        InputError: there is no end of a tune for too long.
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    held, line = "", 1
    inherited: list[re.Match[str]] | None = None
    for piece in _ended(pieces):
        held += newlines.decode(piece or "", final=piece is None)
        cut = len(held) if piece is None else max(held.rfind("\nX:"), held.rfind("\n\n")) + 1
        if cut == 0:
            if len(held) > LONGEST:
                raise InputError(
                    "is no ABC, or a tune in it is too long; try --by line", path=path, line=line
                )
            continue
        ready, held = held[:cut], held[cut:]
        if inherited is None:
            inherited = list(_INHERITED.finditer(_file_header(ready)))
        tunes, before = [], 0
        for at, tune in _blocks(ready):
            line += ready.count("\n", before, at)
            before = at
            tunes.append((line, _inherit(tune, inherited)))
        line += ready.count("\n", before)
        yield tunes


def _ended(pieces: Iterable[str]) -> Iterator[str | None]:
    yield from pieces
    yield None


def _blocks(text: str) -> list[tuple[int, str]]:
    """Where each tune begins, and its text, with one line end at its end."""
    return [(found.start(), found[0].rstrip() + "\n") for found in _TUNE.finditer(text)]


def field(tune: str, letter: str) -> str | None:
    """The stripped value of the first information field ``letter`` in a tune, None without one."""
    found = re.search(rf"^{letter}:([^%\n]*)", tune, re.MULTILINE)
    return found[1].strip() if found else None


def _file_header(text: str) -> str:
    """What stands before the first empty line, if no tune begins in it (standard 2.2.2)."""
    header = re.match(r"(?:(?!X:|[ \t]*$).*\n)*", text, re.MULTILINE)
    return header[0] if header else ""


def _inherit(tune: str, inherited: list[re.Match[str]]) -> str:
    header = re.match(r"(?:(?!K:).*\n)*", tune)
    own = {line[:2] for line in header[0].splitlines()} if header else set()
    added = "".join(
        f"{found[0].rstrip()}\n"
        for found in inherited
        if found[1] not in _ONE_PER_TUNE or f"{found[1]}:" not in own
    )
    opening = re.match(r"X:.*\n(?:T:.*\n)*", tune)
    at = opening.end() if opening else 0
    return tune[:at] + added + tune[at:]
