"""Fetching a catalogued file once, trusted by its SHA-256, or using one put there by hand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from seqgen.errors import InputError
from seqgen.files import cache_folder, read_bytes, reason

__all__ = ["Download", "fetch", "find_file"]

PROJECT_FOLDER = "corpora"


@dataclass(frozen=True, slots=True)
class Download:
    """A file on the web: its address, the SHA-256 of its bytes (hexadecimal), its name here."""

    url: str
    sha256: str
    file: str


def find_file(download: Download) -> Path | None:
    """Where the file already lies, unverified: the project's ``corpora`` folder or the cache."""
    return next((f / download.file for f in _folders() if (f / download.file).exists()), None)


def fetch(name: str, download: Download) -> Path:
    """The path of a catalogued file whose digest is right, downloaded if it is not here yet.

    It is looked for, then put, in ``corpora/`` of the current folder if there is one, and else in
    the user's cache folder for seqgen. A file that is there is never overwritten.

    Args:
        name: the collection's name, for messages.
        download: what to get.
    Raises:
        InputError: the file here is another one, or it can't be downloaded; the sentence says where
            to put it by hand.
    """
    here = find_file(download)
    if here is not None:
        digest = hashlib.sha256(read_bytes(here)).hexdigest()
        if digest != download.sha256:
            raise InputError(
                f"{here} is not the catalogued file: its SHA-256 is {digest}, not "
                f"{download.sha256}; remove it to download it again",
                path=name,
            )
        return here
    import pooch

    target = _folders()[0] / download.file
    try:
        pooch.retrieve(
            download.url,
            known_hash=f"sha256:{download.sha256}",
            fname=target.name,
            path=target.parent,
        )
    except OSError as error:  # every network error of pooch's transport is one
        raise _unavailable(name, download, target, _cause(error)) from error
    except ValueError as error:
        why = "the file there has another SHA-256 than the catalogue's"
        raise _unavailable(name, download, target, why) from error
    return target


def _folders() -> list[Path]:
    """Where catalogued files may lie; new ones go to the first."""
    project = Path.cwd() / PROJECT_FOLDER
    folders = [project] if project.is_dir() else []
    return [*folders, cache_folder()]


def _unavailable(name: str, download: Download, target: Path, why: str) -> InputError:
    return InputError(
        f"can't be downloaded from {download.url} ({why}); get it another way and put it at "
        f"{target}, SHA-256 {download.sha256}",
        path=name,
    )


def _cause(error: BaseException) -> str:
    """The system's words at the root of a chain of network errors."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return reason(error) if isinstance(error, OSError) else str(error).lower()
