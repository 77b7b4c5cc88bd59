"""What a shell may offer for an argument: models, collections, and files that fit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["CHECKPOINTS", "commands", "corpora", "files", "forms", "models", "models_or_files"]

CHECKPOINTS = Path("checkpoints")
SUFFIX = ".safetensors"


def models(incomplete: str) -> list[str]:
    """Names in checkpoints/, then model files."""
    return [*_names(incomplete), *_paths(incomplete, SUFFIX)]


def models_or_files(incomplete: str) -> list[str]:
    """Names in checkpoints/, then files of any name."""
    return [*_names(incomplete), *_paths(incomplete)]


def corpora(incomplete: str) -> list[str]:
    """Collections that are known by name, then files."""
    from seqgen.corpus.catalog import CATALOG

    return [*_beginning(CATALOG, incomplete), *_paths(incomplete)]


def commands(incomplete: str) -> list[str]:
    """Commands of seqgen."""
    from seqgen.cli.commands import LINES

    return _beginning(LINES, incomplete)


def forms(incomplete: str) -> list[str]:
    """Forms that a tune can be written in."""
    from seqgen.music.forms import WRITERS

    return _beginning((suffix[1:] for suffix in WRITERS), incomplete)


def files(incomplete: str) -> list[str]:
    """Files of any name."""
    return _paths(incomplete)


def _names(incomplete: str) -> list[str]:
    names = sorted(path.stem for path in CHECKPOINTS.glob(f"*{SUFFIX}"))
    return _beginning(names, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _paths(incomplete: str, suffix: str = "") -> list[str]:
    """Files that begin so and end in a suffix, and folders, as the shell would spell them."""
    folder, slash, begun = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder + slash or ".").iterdir())
    except OSError:  # there is no such folder, or it is not to be read
        return []
    shown = [
        entry
        for entry in entries
        if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
    ]
    folders = [entry for entry in shown if entry.is_dir()]
    named = [each for each in shown if each.name.endswith(suffix) and each not in folders]
    return [folder + slash + each.name + "/" * (each in folders) for each in (*named, *folders)]
