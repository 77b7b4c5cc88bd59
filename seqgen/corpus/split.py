"""Holding part of a corpus back, so that validation measures what was never trained on."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import replace

from seqgen.corpus.documents import Corpus, Document, FileDocument, Kind
from seqgen.errors import InputError, UsageError

__all__ = ["group_alike", "split"]

MIN_DOCUMENTS = 10
"""With fewer text files than this, each gives its end instead of some going whole."""

MIN_CHARACTERS = 10
"""Fewer characters held back than this say nothing about a model."""

MAX_CHARACTERS = 1_000_000
"""More characters than this are not asked for: they would take time from training, not noise from
the loss."""

AnyDocument = Document | FileDocument

# Field lines, comments, white space, and the marks that only join or break lines of music.
_NOT_MUSIC = re.compile(r"^[A-Za-z+]:.*$|%.*$|[\s!\\]+", re.MULTILINE)


def split(corpus: Corpus, *, fraction: float, seed: int) -> tuple[Corpus, Corpus]:
    """Divide a corpus into a part to train on and a part to validate with.

    ABC, MIDI, and ten or more text files are divided by document. Documents alike but for their
    titles (see :func:`group_alike`) stay on one side. Which ones are held back hangs on the
    seed and on each document itself, not on its place: a corpus that gains a tune keeps nearly the
    same division. The validation part misses the size asked for by at most half of the largest set
    of like documents; if even the smallest set is more than twice that size, it is the smallest.

    Fewer text files, above all a single one, are each cut: the last ``fraction`` of the characters
    is held back, so that training is ``text[:int(len(text) * (1 - fraction))]``. For one file and
    0.1 this is the usual split of tinyshakespeare (karpathy/nanoGPT, data/shakespeare_char). So are
    text files so unequal that no choice of whole ones comes within a factor of two of the size. A
    single MIDI piece is cut at the bar line before that place.

    Of a large corpus no more than MAX_CHARACTERS are asked for, whatever the fraction.

    Args:
        corpus: what to divide.
        fraction: share of the characters to hold back, 0 < fraction <= 0.5.
        seed: chooses the documents; without effect where files are cut.
    Returns:
        (training, validation), both with at least one document, in the corpus's order.
    Raises:
        UsageError: ``fraction`` is out of range.
        InputError: the corpus is too small to divide.
    """
    if not 0 < fraction <= 0.5:
        raise UsageError(
            f"the validation fraction must be above 0 and at most 0.5, not {fraction:g}; "
            "0.1 is usual"
        )
    fraction = min(fraction, MAX_CHARACTERS / max(1, corpus.characters))
    if corpus.kind == "text" and len(corpus.documents) < MIN_DOCUMENTS:
        return _cut_each(corpus, fraction)
    alike = _by_likeness(corpus)
    if corpus.kind == "midi" and len(alike) < 2:
        return _cut_piece(corpus, fraction)
    if corpus.kind == "abc" and len(alike) < 2:
        raise InputError(
            f"this corpus is too small to split: it holds {len(corpus.documents)} "
            f"{'tune' if len(corpus.documents) == 1 else 'tunes, all alike'}; "
            "add more tunes, or name what to validate with by --validation FILE",
            path=corpus.documents[0].source,
        )
    target = fraction * corpus.characters
    chosen = _choose(alike, target, seed)
    if corpus.kind == "text" and not target / 2 < sum(map(_size, chosen)) < target * 2:
        return _cut_each(corpus, fraction)
    validation = {id(document) for documents in chosen for document in documents}
    return (
        replace(corpus, documents=tuple(d for d in corpus.documents if id(d) not in validation)),
        replace(corpus, documents=tuple(d for d in corpus.documents if id(d) in validation)),
    )


def group_alike(corpus: Corpus) -> list[list[AnyDocument]]:
    """The documents in sets of duplicates, each set and their sequence in the corpus's order.

    Tunes are duplicates if their music is the same but for white space and line breaks: titles,
    numbers, remarks, lyrics and all other information-field lines are left out, so a tune that
    stands in two books under two names is found. (A tune without any music is compared whole.)
    Texts are duplicates if their words are the same, however they are spaced; so are MIDI files, by
    their events.
    """
    return list(_by_likeness(corpus).values())


def _by_likeness(corpus: Corpus) -> dict[bytes, list[AnyDocument]]:
    alike: defaultdict[bytes, list[AnyDocument]] = defaultdict(list)
    for document in corpus.documents:
        alike[_likeness(document, corpus.kind)].append(document)
    return alike


def _likeness(document: AnyDocument, kind: Kind) -> bytes:
    hasher = hashlib.sha256()
    if kind == "abc":
        text = document.text
        hasher.update((_NOT_MUSIC.sub("", text) or text).encode("utf-8", "surrogatepass"))
    else:
        space = ""
        for block in document.blocks():
            if words := " ".join(block.split()):
                hasher.update((space + words).encode("utf-8", "surrogatepass"))
                space = " "
    return hasher.digest()


def _choose(
    alike: dict[bytes, list[AnyDocument]], target: float, seed: int
) -> list[list[AnyDocument]]:
    """The sets of duplicates that together come near ``target`` characters."""

    # Ordered by a keyed hash rather than shuffled: the order survives other documents' coming and
    # going, and no interpreter's random numbers or string hashes have a say in it.
    def rank(like: bytes) -> bytes:
        return hashlib.sha256(f"{seed}\n".encode() + like).digest()

    held_back: list[list[AnyDocument]] = []
    taken = 0
    ranked = [alike[like] for like in sorted(alike, key=rank)]
    for documents in ranked:
        size = _size(documents)
        if abs(taken + size - target) < abs(taken - target):
            held_back.append(documents)
            taken += size
    return held_back or [min(ranked, key=_size)]


def _size(documents: list[AnyDocument]) -> int:
    return sum(document.characters for document in documents)


def _cut_each(corpus: Corpus, fraction: float) -> tuple[Corpus, Corpus]:
    training: list[AnyDocument] = []
    validation: list[AnyDocument] = []
    for document in corpus.documents:
        at = int(document.characters * (1 - fraction))
        if at > 0:
            training.append(document.part(0, at))
        if at < document.characters:
            validation.append(document.part(at, document.characters))
    held_back = sum(document.characters for document in validation)
    if held_back < MIN_CHARACTERS or not training:
        raise InputError(
            f"this corpus is too small to split: {fraction:g} of its {corpus.characters} "
            f"characters is fewer than {MIN_CHARACTERS}; add more text, or name what to validate "
            "with by --validation FILE",
            path=corpus.documents[0].source,
        )
    return replace(corpus, documents=tuple(training)), replace(corpus, documents=tuple(validation))


def _cut_piece(corpus: Corpus, fraction: float) -> tuple[Corpus, Corpus]:
    piece = corpus.documents[0]  # the others are the same
    text = piece.text
    at = text.rfind("Bar_None", 0, int(len(text) * (1 - fraction)))
    if at <= 0:
        raise InputError(
            "this piece is too short to split: it has one bar, or hardly more; add more pieces, or "
            "name what to validate with by --validation FILE",
            path=piece.source,
        )
    training, validation = (
        replace(corpus, documents=(Document(part, piece.source, part.count("\n") + 1),))
        for part in (text[:at], text[at:])
    )
    return training, validation
