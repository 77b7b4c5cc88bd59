"""Reads damaged files of music and text: ``python -m tests.hostile.music_reader FORM SEED COUNT``.

Each is read under guard.py's limits by all that reads such files. It ends with an error, and the
damaged file in hexadecimal, when anything but InputError comes of one.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

from seqgen.errors import InputError
from seqgen.files import decode_text
from seqgen.music.abc.parser import parse_tune
from seqgen.music.forms import READERS, WRITERS, Sound
from seqgen.music.midi import write
from seqgen.music.musicxml.writer import write_musicxml, write_mxl
from seqgen.music.performance import perform
from seqgen.music.score import Tune
from tests.hostile import guard
from tests.hostile.mutations import (
    damaged,
    damaged_archive,
    damaged_kern,
    damaged_midi,
    damaged_xml,
)

TUNES = (
    """X:1
T:One
C:Anon
M:6/8
L:1/8
Q:3/8=116
K:Edor
|:"Em"E2F G3|[1 .A3 !trill!B3:|[2 (3ABc d z2|]
w:oh my dear-est * love
""",
    """X:1
T:Two
M:2/4
L:1/8
K:Bb
V:1
{cd}B2 [Bdf]2|d4-|[M:3/4]d2 c^c z2|
V:2 clef=bass
B,4|F,4|B,6|
""",
)
KERN = (
    b"""**kern\t**kern
*clefF4\t*clefG2
*M4/4\t*M4/4
*k[f#]\t*k[f#]
=1-\t=1-
4G\t8.b
.\t16cc
4D\t4d 4f#
2G\t[2g
=2\t=2
1r\t2g]
.\t3%2g
.\t6r
==\t==
*-\t*-
""",
    b"""!!!OTL: One
**kern
*M3/4
*MM90
=1
4c
(4d;
4e)
=2
*^
2.c\t4e
.\t4f
.\t4g
*v\t*v
==
*-
""",
)
TEXTS = (
    "In the beginning \u2013 na\u00efve, \u5922, \U0001d11e.\r\nX: no tune\n\n\tK: no\n".encode(),
    b"X:1\nT:A\nK:C\nCDEF|\n\nX:2\nT:B\nK:G\nG2 B2|]\n",
    b"MThd and PK\x03\x04 and **kern and <?xml and words\n" * 3,
)


def _abc(chance: random.Random) -> bytes:
    from tests.music.test_real_tunes import collection, mutated

    texts = collection("ryansMammoth")
    return mutated(chance, texts).encode("utf-8", "surrogatepass")


def _files(form: str) -> list[bytes]:
    tunes = [parse_tune(text) for text in TUNES]
    return {
        "midi": [write(perform(tune, chords=True)) for tune in tunes],
        "musicxml": [write_musicxml(tune) for tune in tunes],
        "mxl": [write_mxl(tune) for tune in tunes],
        "kern": list(KERN),
        "text": list(TEXTS),
        "abc": [],
    }[form]


DAMAGE: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "midi": damaged_midi,
    "musicxml": damaged_xml,
    "mxl": lambda chance, data: damaged_archive(chance, data, damaged_xml),
    "kern": damaged_kern,
    "text": damaged,
}
FORMS = ("abc", *DAMAGE)
SUFFIXES = {"midi": ".mid", "musicxml": ".musicxml", "mxl": ".mxl", "kern": ".krn"}


def read(form: str, data: bytes) -> bool:
    """Do with a file all that can be done; False if it was refused."""
    if form == "abc":
        from tests.music.test_real_tunes import survives

        survives(decode_text(data, path="x.abc"))
        return True
    if form == "text":
        _read_text(data)
        return True
    tunes: list[Tune] = [
        parsed.tune for parsed in READERS[SUFFIXES[form]](data, "x", "utf-8") if parsed.tune
    ]
    for tune in tunes:
        for written in (".abc", ".mid", ".musicxml"):
            WRITERS[written](tune, Sound(chords=True))
    if form == "midi":
        from seqgen.music.remi.reader import read as read_events
        from seqgen.music.remi.writer import perform as play

        events = read_events(data, path="x")
        if events:
            assert read_events(write(play(events))) == events
    return True


def _read_text(data: bytes) -> None:
    from seqgen.corpus.scores import form_of
    from seqgen.corpus.tunes import find_tunes
    from seqgen.tokenization import abc_tokens, bpe

    form_of(data, "")
    for encoding in ("utf-8", "utf-16", "latin-1"):
        try:
            text = decode_text(data, path="x", encoding=encoding)
        except InputError:
            continue
        find_tunes(text, suffix=".txt")
        assert "".join(bpe.words(text)) == text
        assert "".join(abc_tokens.split(text)) == text


def main(form: str, seed: int, count: int) -> None:
    """Damage and read ``count`` files, and print how many were read, refused, and the slowest."""
    chance = random.Random(seed)
    files = _files(form)
    for data in files:  # all that is imported late
        read(form, data)
    guard.limits()
    refused, slowest = 0, 0.0
    for _ in range(count):
        data = _abc(chance) if form == "abc" else DAMAGE[form](chance, chance.choice(files))
        began = time.process_time()
        try:
            with guard.guarded(code=True):
                read(form, data)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017 -- whether there is one is counted
        except BaseException:
            print(data.hex(), file=sys.stderr)  # noqa: T201
            raise
        slowest = max(slowest, time.process_time() - began)
    report = {"files": count, "refused": refused, "slowest_seconds": round(slowest, 3)}
    print(json.dumps(report | {"peak_mib": guard.peak_bytes() >> 20}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
