"""What a corpus holds, counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from seqgen.corpus.documents import Corpus, Kind
from seqgen.corpus.split import group_alike
from seqgen.corpus.tunes import field

__all__ = ["Statistics", "measure"]

_MODES = {
    "": "major",
    "maj": "major",
    "ion": "major",
    "m": "minor",
    "min": "minor",
    "aeo": "minor",
    "dor": "dorian",
    "phr": "phrygian",
    "lyd": "lydian",
    "mix": "mixolydian",
    "loc": "locrian",
    "exp": "explicit",
}
# Tonic and mode; a word before "=" is a parameter, such as clef=, and no mode.
_KEY = re.compile(r"([A-G][#b]?)[ \t]*((?:[A-Za-z]+\b(?!=))?)")
_TIME_SIGNATURE = re.compile(r"^TimeSig_(.+)", re.MULTILINE)
_METRES = {"C": "4/4", "C|": "2/2"}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over one corpus; where it is MIDI, events stand for characters.

    Attributes:
        name: the corpus's name.
        kind: ``"abc"``, ``"text"`` or ``"midi"``.
        digest: the corpus's SHA-256.
        documents: tunes or text files.
        characters: of the original, as in ``Corpus.characters``.
        distinct_characters: different characters in the texts.
        duplicates: documents beyond the first of each set of duplicates.
        length_characters: minimum, lower quartile, median, upper quartile and maximum of the
            documents' lengths.
        metre: tunes by the metre they begin with, commonest first; ``C`` counts as 4/4 and ``C|``
            as 2/2. Empty for text.
        key: tunes by tonic and mode of their first ``K:``. Like the one below, for ABC alone.
        rhythm: tunes by ``R:`` in lower case; those without one are not counted.
    """

    name: str
    kind: Kind
    digest: str
    documents: int
    characters: int
    distinct_characters: int
    duplicates: int
    length_characters: tuple[int, int, int, int, int]
    metre: dict[str, int]
    key: dict[str, int]
    rhythm: dict[str, int]


def measure(corpus: Corpus) -> Statistics:
    """Count what a corpus holds."""
    tunes = [document.text for document in corpus.documents if corpus.kind == "abc"]
    pieces = [document.text for document in corpus.documents if corpus.kind == "midi"]
    # A tune's or piece's end counts as one of the original, not of the document's.
    lengths = sorted(d.characters - (corpus.kind != "text") for d in corpus.documents)
    distinct: set[str] = set()
    for block in corpus.blocks():
        distinct.update(block.split() if corpus.kind == "midi" else block)
    last = len(lengths) - 1
    return Statistics(
        name=corpus.name,
        kind=corpus.kind,
        digest=corpus.digest,
        documents=len(lengths),
        characters=corpus.characters,
        distinct_characters=len(distinct),
        duplicates=len(lengths) - len(group_alike(corpus)),
        length_characters=(
            lengths[0],
            lengths[last // 4],
            lengths[last // 2],
            lengths[3 * last // 4],
            lengths[last],
        ),
        metre=_count(
            [_metre(field(tune, "M")) for tune in tunes]
            + [found[1] for piece in pieces if (found := _TIME_SIGNATURE.search(piece))]
        ),
        key=_count(_key(field(tune, "K")) for tune in tunes),
        rhythm=_count(r.lower() for tune in tunes if (r := field(tune, "R"))),
    )


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _metre(value: str | None) -> str:
    return _METRES.get(value, value) if value else "none"


def _key(value: str | None) -> str:
    """Tonic and mode, by the first three letters (standard 3.1.14); else the field as it stands."""
    if not value:
        return "none"
    found = _KEY.match(value)
    mode = _MODES.get(found[2][:3].lower()) if found else None
    return f"{found[1]} {mode}" if found and mode else value
