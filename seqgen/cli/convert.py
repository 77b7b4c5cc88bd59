"""``seqgen convert``: tunes from one form to another."""

from __future__ import annotations

import enum
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen.cli.completion import files as files_of
from seqgen.cli.completion import forms
from seqgen.cli.console import Debug, Verbose, detail, put, say
from seqgen.cli.options import Chords, Encoding, OnlyTune, Soundfont, Swing, Transpose
from seqgen.errors import InputError, OutputError, SeqgenError, UsageError
from seqgen.files import STDIN, read_bytes, require_folder, write_atomically

if TYPE_CHECKING:
    from seqgen.checkpoint import Storage
    from seqgen.music.abc.parser import ParsedTune
    from seqgen.music.score import Tune

__all__ = ["convert", "safe_name"]


class Weights(enum.StrEnum):
    float16 = "float16"
    float32 = "float32"


def convert(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="What to read (- is stdin), then where to write.",
            autocompletion=files_of,
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help="Form to write, such as mid, where OUT's name doesn't say.", autocompletion=forms
        ),
    ] = None,
    tune: OnlyTune = None,
    chords: Chords = False,
    swing: Swing = None,
    transpose: Transpose = 0,
    soundfont: Soundfont = None,
    weights: Annotated[
        Weights, typer.Option(help="How a model's file holds its weights.")
    ] = Weights.float16,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    encoding: Encoding = "utf-8",
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Convert tunes between ABC, MIDI, MusicXML, pictures and sound; the suffix of OUT decides.

    OUT is a file, a folder (it gets a numbered file for each tune), or - for stdout: MIDI, unless
    --to or the name of the file that it is redirected to says another form. A tune with an error is
    named on stderr and left out; the others are converted, and the exit status is 1.

    Examples: seqgen convert song.abc song.mid; seqgen convert tunes/*.abc midi/;
    seqgen convert --tune 3 book.abc - > third.mid; seqgen convert --transpose -2 a.abc b.abc;
    seqgen convert song.abc song.svg; seqgen convert melody.mid melody.abc

    A model becomes a file of half the size, which draws the same but for rounding:
    seqgen convert irish.safetensors small.safetensors
    """
    from seqgen.music.forms import COLLECTIONS, TEXT_FORMS, WRITERS, Sound
    from seqgen.music.transpose import transpose as transposed

    if len(files) < 2:
        raise UsageError("needs what to read and where to write, as in: convert song.abc song.mid")
    *sources, target = files
    if not target:  # as Path would have it, the current folder
        raise UsageError("OUT is an empty name; name a file or a folder")
    if to is None and Path(target).suffix == ".safetensors":
        _convert_model(sources, Path(target), weights.value, force=force)
        return
    to_folder = target != STDIN and (target.endswith(os.sep) or Path(target).is_dir())
    if to is not None:
        form = "." + to.lstrip(".").lower()
    elif target == STDIN:
        form = _form_of_stdout()
    else:
        form = ".mid" if to_folder else Path(target).suffix.lower()
    writer = WRITERS.get(form)
    if writer is None:
        known = ", ".join(sorted(name[1:] for name in WRITERS))
        raise UsageError(f"can't write '{form or target}'; it can be one of {known} (see --to)")
    if target == STDIN and form not in TEXT_FORMS and sys.stdout.isatty():
        raise UsageError("this would garble a terminal; redirect it, as in `- > song.mid`")
    exact_swing = None if swing is None else Fraction(swing).limit_denominator(16)
    sound = Sound(chords, exact_swing, soundfont)
    count = _Count()
    found = _tunes(sources, encoding, tune, count)
    if transpose:  # a stamp says how to draw the tune as it was
        found = ((number, _unstamped(each)) for number, each in found)
    chosen = ((number, transposed(each, transpose)) for number, each in found)
    if to_folder:
        for number, each in chosen:
            path = Path(target) / f"{number:04d}-{safe_name(each.title)}{form}"
            try:
                _write(path, writer(each, sound), force)
            except (InputError, OutputError) as error:
                count.failed += 1
                say(f"seqgen: {error}")
    else:
        if target != STDIN and not force and Path(target).exists():
            raise OutputError(f"{target} exists; --force replaces it")
        parts: list[bytes] = []
        for _, each in chosen:
            if parts and form not in COLLECTIONS:
                raise UsageError(
                    f"there are several tunes, and {form[1:]} holds one: choose one with --tune N, "
                    "or name a folder, such as out/"
                )
            parts.append(writer(each, sound))
        if parts:
            _write(None if target == STDIN else Path(target), b"\n".join(parts), force)
    if count.failed:
        raise SeqgenError(f"{count.failed} of {count.tunes} tunes could not be converted")


def _unstamped(tune: Tune) -> Tune:
    kept = (each for each in tune.directives if not each.text.startswith("seqgen "))
    return replace(tune, directives=tuple(kept))


def _convert_model(sources: list[str], target: Path, storage: Storage, *, force: bool) -> None:
    if len(sources) > 1:
        raise UsageError("a model's file holds one model; name one to read and one to write")
    from seqgen import checkpoint
    from seqgen.cli.models import find

    if target.exists() and not force:
        raise OutputError(f"{target} exists; --force replaces it")
    saved = checkpoint.load(find(sources[0]))
    if saved.card.progress is not None:
        raise UsageError(
            f"{saved.path} is an interrupted run; end it with `seqgen train --export -o "
            f"{saved.path}`, or go on with it, first"
        )
    require_folder(target)
    checkpoint.save(target, saved.card, saved.weights, storage=storage, index=saved.index)


def _form_of_stdout() -> str:
    from seqgen.cli.destination import suffix_of_stdout
    from seqgen.music.forms import READERS, WRITERS

    suffix = suffix_of_stdout()
    return suffix if suffix in READERS or suffix in WRITERS else ".mid"


class _Count:
    tunes = 0
    failed = 0


def _tunes(
    sources: list[str], encoding: str, wanted: int | None, count: _Count
) -> Iterator[tuple[int, Tune]]:
    """Each tune with its place among all read; says on stderr what is wrong with the others."""
    number = 0
    for source in sources:
        for parsed in _read(source, encoding):
            number += 1
            if wanted is not None and number != wanted:
                continue
            count.tunes += 1
            for each in parsed.diagnostics:
                if each is not parsed.error:
                    detail(f"{source}:{each.line}:{each.column}: {each.message}")
            error = parsed.error
            if parsed.tune is not None:
                yield number, parsed.tune
            elif error is not None:
                count.failed += 1
                problem = InputError(
                    f"{error.message} (tune {parsed.title or parsed.number})",
                    path=source, line=error.line, column=error.column,
                )  # fmt: skip
                say(f"seqgen: {problem}")
    if wanted is not None and number < wanted:
        raise UsageError(f"there is no tune {wanted}; {number} were read")


def _read(source: str, encoding: str) -> Iterator[ParsedTune]:
    from seqgen.music.forms import READERS, form_of_content

    data = read_bytes(source)
    form = form_of_content(data) if source == STDIN else Path(source).suffix.lower()
    reader = READERS.get(form)
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise InputError(f"can't read '{form}'; it can be one of {known}", path=source)
    none = True
    for parsed in reader(data, source, encoding):
        none = False
        yield parsed
    if none:
        raise InputError("holds no tune; a tune begins with a line X:1", path=source)


def _write(path: Path | None, data: bytes, force: bool) -> None:
    if path is None:
        put(data)
        return
    if path.exists() and not force:
        raise OutputError(f"{path} exists; --force replaces it")
    require_folder(path)
    write_atomically(path, data)


def safe_name(title: str) -> str:
    """A title as part of a file name: letters, digits and hyphens only, at most 60."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", ascii_only.replace("'", ""))
    return "-".join(words)[:60].strip("-") or "tune"
