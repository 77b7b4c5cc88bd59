"""How far seqgen's transposition agrees with abc2abc's, over whole collections and all intervals.

    python benchmarks/transposition.py [--collection NAME] [--sample N] [FILE.abc ...]

Each tune is transposed by 1 to 12 semitones by seqgen and by ``abc2abc -t`` (Debian package
abcmidi). abc2abc's text is read back and the notes that sound are compared (onset, duration and
pitch), and the key signatures. Whether ours are all the same distance above the tune as it was is
checked too. Where keys differ, which of the two has fewer accidentals is counted. Tunes with a D.C.
or D.S. are left out, since abc2abc takes the D for a chord.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from seqgen.music.abc.parser import parse
from seqgen.music.abc.writer import write_tune, write_tunes
from seqgen.music.jumps import route
from seqgen.music.performance import perform
from seqgen.music.score import Tune
from seqgen.music.transpose import transpose

Sounds = list[list[tuple[int, int, int]]]


def sounds(tune: Tune, semitones: int = 0) -> Sounds:
    """Onset, duration and pitch of every note of every track."""
    performance = perform(tune)
    whole = performance.divisions
    return [
        sorted((onset * 5040 // whole, length * 5040 // whole, pitch + semitones)
               for onset, length, pitch, _ in track.notes)
        for track in performance.tracks
    ]  # fmt: skip


def by_abc2abc(text: str, semitones: int, folder: str) -> str:
    """A whole text transposed by abc2abc."""
    source = Path(folder) / "in.abc"
    source.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["abc2abc", str(source), "-t", str(semitones), "-e"], capture_output=True, check=False
    )
    return done.stdout.decode("utf-8", "replace")


def compare(name: str, tunes: list[Tune], show: int) -> None:
    """Print one line of the table."""
    compared = wrong = notes_differ = keys_differ = missing = 0
    fewer: Counter[str] = Counter()
    shown: list[str] = []
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for semitones in range(1, 13):
            oracle = list(parse(by_abc2abc(write_tunes(tunes), semitones, folder)))
            if len(oracle) != len(tunes):
                print(f"{name}: abc2abc gave {len(oracle)} tunes for {len(tunes)}")
                return
            for tune, theirs in zip(tunes, oracle, strict=True):
                begin = time.perf_counter()
                ours = transpose(tune, semitones)
                seconds += time.perf_counter() - begin
                heard = sounds(ours)
                wrong += heard != sounds(tune, semitones)
                if theirs.tune is None:
                    missing += 1
                    continue
                compared += 1
                same_notes = heard == sounds(theirs.tune)
                notes_differ += not same_notes
                mine, other = ours.key.fifths, theirs.tune.key.fifths
                if mine != other:
                    keys_differ += 1
                    order = (abs(mine) > abs(other)) - (abs(mine) < abs(other))
                    fewer[("ours fewer", "as many", "ours more")[order + 1]] += 1
                if (not same_notes) and len(shown) < show:
                    shown.append(f"--- {semitones}\n{write_tune(tune)}\n{write_tune(ours)}\n"
                                 f"{write_tune(theirs.tune)}")  # fmt: skip
    print(
        f"{name:<14}{len(tunes):>6} tunes {compared:>7} compared {missing:>4} not read back   "
        f"ours wrong {wrong}   notes equal {100 * (1 - notes_differ / max(1, compared)):.2f} %   "
        f"keys equal {100 * (1 - keys_differ / max(1, compared)):.2f} % {dict(fewer)}   "
        f"{12 * len(tunes) / seconds:.0f} tunes/s"
    )
    for each in shown:
        print(each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", action="append", default=[], help="of music21's corpus")
    parser.add_argument("--sample", type=int, default=1, help="only every so many-th tune")
    parser.add_argument("--show", type=int, default=0, help="print so many tunes that differ")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if shutil.which("abc2abc") is None:
        sys.exit("abc2abc is not installed; it is in Debian's package abcmidi")
    found = importlib.util.find_spec("music21")
    corpus = Path(found.origin or "").parent / "corpus" if found else Path()
    sources = {name: sorted((corpus / name).glob("*.abc")) for name in options.collection}
    sources |= {Path(name).stem: [Path(name)] for name in options.files}
    for name, files in sources.items():
        tunes = [
            each.tune
            for path in files
            for each in parse(path.read_text(encoding="utf-8", errors="replace"))
            if each.tune is not None
            and not any(route(voice.bars).jumps for voice in each.tune.voices)
        ]
        compare(name, tunes[:: options.sample], options.show)


if __name__ == "__main__":
    main()
