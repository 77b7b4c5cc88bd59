"""``seqgen play``: hear tunes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.completion import files
from seqgen.cli.console import (
    Debug,
    Quiet,
    remark,
    say,
)
from seqgen.cli.options import Chords, Encoding, OnlyTune, Soundfont, Swing, Transpose
from seqgen.errors import InputError, OutputError, SeqgenError, UsageError
from seqgen.files import STDIN, read_bytes, require_folder, write_atomically

__all__ = ["play"]


def play(
    file: Annotated[
        str,
        typer.Argument(
            help="Tunes in ABC, MIDI, MusicXML or **kern, or a .wav; - is stdin.",
            autocompletion=files,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a .wav file instead of playing."),
    ] = None,
    tune: OnlyTune = None,
    chords: Chords = False,
    swing: Swing = None,
    transpose: Transpose = 0,
    soundfont: Soundfont = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUTPUT if it exists.")] = False,
    encoding: Encoding = "utf-8",
    _quiet: Quiet = False,
    _debug: Debug = False,
) -> None:
    """Play the tunes of a file, one after the other, on a plucked string.

    Examples: seqgen play song.abc; seqgen play --tune 3 --chords book.abc;
    seqgen play song.mid -o song.wav; seqgen sample | seqgen play -
    """
    from seqgen.cli.player import play_wav
    from seqgen.music.forms import READERS, WRITERS, Sound, form_of_content
    from seqgen.music.transpose import transpose as transposed

    if output is not None and output.suffix.lower() != ".wav":
        raise UsageError(f"{output}: play writes .wav; `seqgen convert` writes other forms")
    if output is not None and output.exists() and not force:
        raise OutputError(f"{output} exists; --force replaces it")
    data = read_bytes(file)
    form = form_of_content(data) if file == STDIN else Path(file).suffix.lower()
    if form == ".wav":
        play_wav(data)
        return
    if form not in READERS:
        known = ", ".join([*READERS, ".wav"])
        raise InputError(f"can't play '{form}'; it can be one of {known}", path=file)
    exact_swing = None if swing is None else Fraction(swing).limit_denominator(16)
    sound = Sound(chords, exact_swing, soundfont)
    number = played = failed = 0
    for parsed in READERS[form](data, file, encoding):
        number += 1
        if tune is not None and number != tune:
            continue
        error = parsed.error
        if parsed.tune is None:
            failed += 1
            if error is not None:
                place = {"line": error.line, "column": error.column}
                say(f"seqgen: {InputError(error.message, path=file, **place)}")
            continue
        if played and output is not None:
            raise UsageError("there are several tunes, and -o holds one: choose one with --tune N")
        wav = WRITERS[".wav"](transposed(parsed.tune, transpose), sound)
        played += 1
        if output is not None:
            require_folder(output)
            write_atomically(output, wav)
            continue
        remark(f"{number}. {parsed.tune.title}")
        play_wav(wav)
    if tune is not None and number < tune:
        raise UsageError(f"there is no tune {tune}; {number} were read")
    if number == 0:
        raise InputError("holds no tune; a tune begins with a line X:1", path=file)
    if failed:
        raise SeqgenError(f"{failed} of {number} tunes could not be played")
