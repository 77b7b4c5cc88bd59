"""Where a result goes, and so what form it takes.

In this order: --format; the suffix of -o; for stdout redirected to a regular file that file's name
where the system tells it, else MIDI for music; a pipe or a terminal gets text as it is made. From a
model of MIDI a pipe gets MIDI too, and a terminal a summary. A name that is of a form of `seqgen
convert` alone is refused: MIDI in a file called song.musicxml helps nobody.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from seqgen.errors import OutputError, UsageError
from seqgen.files import require_folder

__all__ = ["BINARY", "SUMMARY", "Destination", "choose", "numbered", "suffix_of_stdout"]

# Forms by file suffix.
FORMS = {".abc": "abc", ".txt": "txt", ".mid": "mid", ".midi": "mid"}
BINARY = {"mid"}
SUMMARY = "summary"
# What each kind of model can write; the first goes where nothing else is asked for.
POSSIBLE = {"abc": ("abc", "mid", "txt"), "text": ("txt",), "midi": ("mid", "abc", "txt")}
WHAT = {"abc": "music", "text": "text", "midi": "MIDI"}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to write, and what.

    Attributes:
        path: a file, a folder, or None for stdout.
        form: ``abc``, ``txt``, ``mid`` or SUMMARY.
        streams: whether it is text that can be shown as it is made.
    """

    path: Path | None
    form: str
    is_folder: bool = False
    streams: bool = False


def choose(output: str | None, form: str | None, kind: str, *, force: bool) -> Destination:
    """The destination for a model of ``kind`` (``abc``, ``text`` or ``midi``).

    Raises:
        UsageError: the model can't write that form, or binary would go to a terminal.
        OutputError: the output exists, or its folder does not.
    """
    possible = POSSIBLE[kind]
    if output == "":  # as Path would have it, the current folder
        raise UsageError("--output is an empty name; name a file or a folder")
    path = Path(output) if output not in (None, "-") else None
    # A trailing slash means a folder, which may be still to be made; Path forgets it.
    folder = path is not None and ((output or "").endswith(os.sep) or path.is_dir())
    if form is None and not folder:
        form = _form_by_name(path, possible) if path else _form_of_stdout(possible)
    if form is None and kind == "midi" and path is None and sys.stdout.isatty():
        return Destination(None, SUMMARY)
    form = form or possible[0]
    if form not in possible:
        raise UsageError(
            f"this model writes {WHAT[kind]}, not {form}; it can write {', '.join(possible)}"
        )
    if path is None and form in BINARY and sys.stdout.isatty():
        raise UsageError("MIDI would garble a terminal: redirect it, as in `> song.mid`, or use -o")
    if path and folder:
        require_folder(path / "file")
    elif path and path.exists() and not force:
        raise OutputError(f"{path} exists; --force replaces it")
    elif path and not path.parent.is_dir():
        raise OutputError(f"{path} can't be written: there is no folder {path.parent}")
    native = form == "txt" if kind == "midi" else form not in BINARY
    return Destination(path, form, folder, streams=path is None and native)


def _form_by_name(path: Path, possible: tuple[str, ...]) -> str:
    form = FORMS.get(path.suffix.lower())
    if form is None and len(possible) == 1:
        return possible[0]  # the name need not tell: poem.md
    if form is None:
        _refuse_converted(path.suffix.lower(), possible)
        raise UsageError(
            f"{path}: can't tell the form from '{path.suffix}'; use one of "
            f"{', '.join(FORMS)}, or --format"
        )
    return form


def _form_of_stdout(possible: tuple[str, ...]) -> str | None:
    suffix = suffix_of_stdout()
    if suffix is None:
        return None
    form = FORMS.get(suffix)
    if form is None and "mid" in possible:
        _refuse_converted(suffix, possible)
        return "mid"
    return form


def _refuse_converted(suffix: str, possible: tuple[str, ...]) -> None:
    from seqgen.music.forms import WRITERS

    if suffix in WRITERS:
        raise UsageError(
            f"this model writes {', '.join(possible)}, not {suffix[1:]}; pipe it through `seqgen "
            f"convert`, as in `seqgen sample | seqgen convert - - > tune{suffix}`"
        )


def suffix_of_stdout() -> str | None:
    """The suffix of the file that stdout is redirected to, in small letters.

    Empty where it has none or the system does not tell its name; None where it is no regular file.
    """
    try:
        descriptor = sys.stdout.fileno()
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # it is a stream of a program that has called us
        return None
    return Path(_name_of(descriptor)).suffix.lower() if regular else None


def _name_of(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        pass
    try:
        import fcntl

        # macOS: F_GETPATH fills a buffer of MAXPATHLEN bytes.
        answer = fcntl.fcntl(descriptor, getattr(fcntl, "F_GETPATH", 50), b"\0" * 1024)
        return os.fsdecode(answer.rstrip(b"\0"))
    except (ImportError, OSError):
        return ""


def numbered(folder: Path, stem: str, suffix: str, *, force: bool) -> Path:
    """``folder/stem.suffix``, or with the first number that makes it a new file."""
    path = folder / f"{stem}{suffix}"
    number = 2
    while path.exists() and not force:
        path = folder / f"{stem}-{number}{suffix}"
        number += 1
    return path
