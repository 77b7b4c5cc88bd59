"""The tunes that the music21 package carries, for tests over real notation."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from seqgen.music.abc.parser import parse
from seqgen.music.score import Tune

NAMES = ("ryansMammoth", "oneills1850", "airdsAirs", "essenFolksong")


@cache
def _folder() -> Path:
    found = importlib.util.find_spec("music21")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "corpus"


def tunes(name: str, every: int = 1) -> Iterator[Tune]:
    """Every so many-th file's tunes, those that the parser accepts."""
    for path in sorted((_folder() / name).glob("*.abc"))[::every]:
        for parsed in parse(path.read_text(encoding="utf-8")):
            if parsed.tune is not None:
                yield parsed.tune
