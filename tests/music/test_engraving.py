"""Pictures of scores hold what the score holds."""

from __future__ import annotations

import re
import struct
import sys
import zlib

import pytest

from seqgen.errors import OutputError
from seqgen.music import engraving
from seqgen.music.abc.parser import parse_tune
from seqgen.music.engraving import write_png, write_svg
from tests.music.corpora import NAMES, tunes

TUNE = """X:1
T:Blackbird & Co.
C:Trad.
M:6/8
L:1/8
Q:3/8=116
K:Edor
|:B|"F#m"EFE (3GFG e-|e2 d [GB]>A {c}B|1 .A3 ~B3:|2 !trill!c3 e3|]
w:one two
"""

needs_extra = pytest.mark.skipif(
    not engraving.available(), reason="needs the extra: pip install 'seqgen[engraving]'"
)


def classes(svg: str) -> list[str]:
    return re.findall(r'class="([a-zA-Z]+)', svg)


@needs_extra
def test_an_svg_holds_every_sign() -> None:
    svg = write_svg(parse_tune(TUNE)).decode()
    assert svg.startswith("<svg ")
    found = classes(svg)
    for name, count in (
        ("clef", 1), ("keySig", 1), ("meterSig", 1), ("tuplet", 1), ("ending", 2), ("tie", 1),
        ("chord", 1), ("trill", 1), ("harm", 1), ("tempo", 1), ("verse", 2),
        ("measure", 5),
    ):  # fmt: skip
        assert found.count(name) == count, name
    assert found.count("note") == 19
    assert found.count("beam") == 3
    for words in ("Blackbird &amp; Co.", "Trad.", "one", "two"):
        assert f">{words}<" in svg
    assert write_svg(parse_tune(TUNE)).decode() == svg


@needs_extra
@pytest.mark.parametrize("start", ["(3GAB c2", "(3gab c'2", "(3e'd'c' d'2"])
def test_a_tempo_mark_stands_clear_of_what_is_under_it(start: str) -> None:
    tune = parse_tune(f"X:1\nM:4/4\nL:1/8\nQ:1/4=160\nK:D\n{start} e2f2|\n")
    svg = write_svg(tune).decode()
    (baseline,) = re.findall(r'class="tempo".*?<text x="\d+" y="(\d+)"', svg, re.DOTALL)
    heads = re.findall(r'class="notehead".*?translate\(\d+, (\d+)\)', svg, re.DOTALL)
    numbers = re.findall(r'class="tupletNum".*?translate\(\d+, (\d+)\)', svg, re.DOTALL)
    under = [int(height) for height in (*heads[:3], *numbers)]
    assert len(under) == 4
    staff_space = 180
    half_a_head = staff_space // 2
    assert min(under) - half_a_head - int(baseline) > staff_space / 2


@needs_extra
def test_da_capo_stands_at_the_end_of_its_bar() -> None:
    for music in ('"D.C."A2B2c2d2|]', "A2B2c2d2!D.C.!|]"):
        svg = write_svg(parse_tune(f"X:1\nM:4/4\nL:1/8\nK:D\n{music}\n")).decode()
        (words,) = re.findall(r'class="dir dacapo".*?<text x="(\d+)"', svg, re.DOTALL)
        heads = re.findall(r'class="notehead".*?translate\((\d+)', svg, re.DOTALL)
        assert int(words) > max(map(int, heads))


@needs_extra
def test_a_png_is_as_wide_as_asked_and_has_ink_on_white() -> None:
    data = write_png(parse_tune(TUNE), width=700)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width == 700
    assert 100 < height < 700
    chunks, position = b"", 8
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        if data[position + 4 : position + 8] == b"IDAT":
            chunks += data[position + 8 : position + 8 + size]
        position += size + 12
    pixels = zlib.decompress(chunks)
    assert pixels[1:5] == b"\xff\xff\xff\xff"  # the first pixel, after its row's filter
    assert len(set(pixels)) > 50


@needs_extra
@pytest.mark.parametrize("name", NAMES)
def test_real_tunes_keep_their_notes(name: str) -> None:
    for tune in list(tunes(name, every=7))[:60:20]:
        svg = write_svg(tune).decode()
        assert tune.title.replace("&", "&amp;")[:8] in svg
        assert classes(svg).count("clef") >= len(tune.voices)


@needs_extra
def test_long_and_odd_tunes_do_not_fail() -> None:
    for music in ("ABc|" * 200, "Z4|z3|", "[CEG]16|x8|", "C,,,c'''|", "A&c|"):
        assert b"<svg" in write_svg(parse_tune(f"X:1\nL:1/8\nM:3/8\nK:C\n{music}\n"))


@pytest.mark.parametrize("package", ["verovio", "resvg_py"])
def test_without_the_packages_the_error_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package == "resvg_py" and not engraving.available():
        pytest.skip("needs verovio to come so far")
    engraving._toolkit.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OutputError, match=r"pip install 'seqgen\[engraving\]'"):
        write_png(parse_tune(TUNE))
