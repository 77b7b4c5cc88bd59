"""The share of real tunes that the grammar accepts, and why it refuses the others.

    python benchmarks/acceptance.py irish.abc --show 50

The collections inside the music21 package are read too. A tune that no bar line ends is counted
again with a final one: the Essen collection has none.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from seqgen.corpus.tunes import find_tunes
from seqgen.music.abc.grammar import Grammar
from seqgen.music.abc.parser import parse

COLLECTIONS = ("ryansMammoth", "oneills1850", "airdsAirs", "essenFolksong")


def collections(paths: list[str]) -> dict[str, list[str]]:
    """Tunes by collection."""
    found = {path: find_tunes(Path(path).read_text("utf-8"), suffix=".abc") for path in paths}
    spec = find_spec("music21")
    if spec and spec.submodule_search_locations:
        for name in COLLECTIONS:
            folder = Path(spec.submodule_search_locations[0], "corpus", name)
            texts = (file.read_bytes() for file in sorted(folder.glob("*.abc")))
            found[name] = [
                tune
                for data in texts
                for tune in find_tunes(data.decode("utf-8-sig", "surrogateescape"), suffix=".abc")
            ]
    return found


def reason(tune: str, offset: int) -> str:
    """Where a tune is refused, and why."""
    grammar = Grammar()
    if offset == len(tune):
        return "it does not end with a final bar line, or leaves something open"
    state = grammar.read(grammar.start(), tune[:offset])
    return grammar.reason(state, tune[offset]) if state is not None else ""


def main() -> None:
    """Print a line a collection, then some of the refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", help="ABC files")
    parser.add_argument("--show", type=int, default=0, help="refused tunes a collection to print")
    options = parser.parse_args()
    for name, tunes in collections(options.files).items():
        refused: list[tuple[str, int]] = []
        ended = clean = contradicted = 0
        for tune in tunes:
            faulty = bool(next(parse(tune)).diagnostics)
            clean += not faulty
            offset = Grammar().fault(tune)
            if offset is None:
                contradicted += faulty
                continue
            ended += Grammar().fault(tune.rstrip() + " |]\n") is None
            if not faulty:
                refused.append((tune, offset))
        total = len(tunes)
        accepted = clean - len(refused) + contradicted
        print(f"{Path(name).stem}: {total} tunes, {clean} that check finds no fault in")
        print(f"  accepted {accepted} ({accepted / total:.1%}; {accepted / clean:.1%} of those)")
        print(f"  with a final bar line {accepted + ended}; accepted but faulty {contradicted}")
        for why, count in Counter(reason(*each) for each in refused).most_common(12):
            print(f"  {count:5}  {why}")
        random.Random(0).shuffle(refused)
        for tune, offset in refused[: options.show]:
            print(f"    {tune[max(0, offset - 40) : offset]!r} >> {tune[offset : offset + 10]!r}")
            print(f"        {reason(tune, offset)}")


if __name__ == "__main__":
    main()
