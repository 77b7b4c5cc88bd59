"""The two parts of a run's corpus: what it learns from, and what it is measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqgen.errors import InputError

if TYPE_CHECKING:
    from seqgen.corpus.documents import Corpus

__all__ = ["describe", "load"]

VAL_FRACTION = 0.1


def load(sources: list[str], options: dict[str, Any]) -> tuple[Corpus, Corpus]:
    """The training part and the validation part, as the options divide them.

    Raises:
        InputError: a file can't be read, or what is to be measured with does not fit.
    """
    from seqgen.corpus.documents import LARGE
    from seqgen.corpus.split import split

    corpus = _read(sources, options)
    validation = options.get("validation")
    if validation is None:
        fraction = options.get("val_fraction", VAL_FRACTION)
        return split(corpus, fraction=fraction, seed=options.get("seed", 0))
    held_back = _read([validation], options)
    if held_back.kind != corpus.kind:
        raise InputError(
            f"holds {held_back.kind}, but the corpus holds {corpus.kind}; measure with more of the "
            "same",
            path=validation,
        )
    if held_back.characters > LARGE:
        raise InputError(
            f"holds {held_back.characters:,} characters, and every evaluation would read them all; "
            f"measure with {LARGE:,} or fewer",
            path=validation,
        )
    return corpus, held_back


def describe(training: Corpus, held_back: Corpus, options: dict[str, Any]) -> dict[str, Any]:
    """What a model's card says of both parts."""
    description: dict[str, Any] = {
        "name": training.name,
        "digest": training.digest,
        "documents": len(training.documents),
        "characters": training.characters,
        "validation_digest": held_back.digest,
        "validation_characters": held_back.characters,
    }
    if training.kind == "abc":
        from seqgen.corpus.stripping import with_heading
        from seqgen.music.compass import compass

        description["compass"] = compass(with_heading(d.text) for d in training.documents)
    if "strip" in options:
        description["strip"] = options["strip"]
    if "validation" not in options:
        description["division"] = {
            "val_fraction": options.get("val_fraction", VAL_FRACTION),
            "seed": options.get("seed", 0),
        }
    return description


def _read(sources: list[str], options: dict[str, Any]) -> Corpus:
    from seqgen.corpus import readers
    from seqgen.corpus.stripping import strip_corpus, stripped_by

    corpus = readers.load(sources, encoding=options.get("encoding", "utf-8"))
    stripped = stripped_by(options)
    return corpus if stripped is None else strip_corpus(corpus, stripped)
