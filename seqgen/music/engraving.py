"""Tunes as pictures: MusicXML, engraved by verovio as SVG, painted by resvg as PNG.

verovio never sees ABC: its reader ends the process on tunes of real collections. Both packages are
the extra ``engraving``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from seqgen.errors import OutputError
from seqgen.music.musicxml.writer import write_musicxml
from seqgen.music.score import Tune

__all__ = ["available", "write_png", "write_svg"]

_WIDTH = 2100  # of the page, in tenths of a millimetre as verovio counts: A4
_MARGIN = 60
_SCALE = 40  # per cent of verovio's own size, at which a staff is 7 mm high
# resvg takes the first that is installed and knows no "serif" of its own.
_FONTS = (
    "Times New Roman, Times, Liberation Serif, Nimbus Roman, FreeSerif, Noto Serif, "
    "DejaVu Serif Condensed, DejaVu Serif, serif"
)
# Music signs in text, which verovio sets in a font that only its SVG carries, as Unicode has them.
_MUSIC_TEXT = re.compile(r'<tspan font-family="Leipzig"[^>]*>')
_TITLE = re.compile(r"(<pgHead[^>]*>\s*<rend )")
_PLAIN_TEXT = '<tspan font-size="405px">'
_LINE_ENDS = re.compile(r">\s*\n\s*<")
_SIGNS = str.maketrans(
    {
        "\ueca2": "\U0001d15d", "\ueca3": "\U0001d15e", "\ueca5": "\u2669", "\ueca7": "\u266a",
        "\ueca9": "\U0001d161", "\uecb7": ".", "\uea64": "\u266d", "\uea65": "\u266e",
        "\uea66": "\u266f", "\ue260": "\u266d", "\ue261": "\u266e", "\ue262": "\u266f",
    }
)  # fmt: skip
_MISSING = "pictures of scores need two more packages: pip install 'seqgen[engraving]'"


def available() -> bool:
    """Whether the packages of the extra are installed."""
    from importlib.util import find_spec

    return find_spec("verovio") is not None and find_spec("resvg_py") is not None


@cache
def _toolkit() -> Any:
    try:
        import verovio
    except ImportError as error:
        raise OutputError(_MISSING) from error
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "pageWidth": _WIDTH,
            "pageHeight": 60000,
            "adjustPageHeight": True,
            "pageMarginLeft": _MARGIN,
            "pageMarginRight": _MARGIN,
            "pageMarginTop": _MARGIN,
            "pageMarginBottom": _MARGIN,
            "scale": _SCALE,
            "breaks": "smart",
            "header": "auto",
            "lyricWordSpace": 2.4,
            "defaultBottomMargin": 1.3,  # below tempo marks, which else touch high notes
            "footer": "none",
            "leftMarginMRest": 4.0,
            "rightMarginMRest": 4.0,
            "svgViewBox": True,
        }
    )
    return toolkit


def write_svg(tune: Tune) -> bytes:
    """The score as one SVG picture, as wide as a page and as high as it needs to be.

    Raises:
        OutputError: verovio is not installed, or can't engrave the tune.
    """
    toolkit = _toolkit()
    toolkit.resetXmlIdSeed(1)  # the same tune gives the same bytes
    toolkit.setInputFrom("xml")
    loaded = toolkit.loadData(write_musicxml(tune).decode())
    if loaded and tune.titles:
        # MusicXML's size of a title is lost on verovio; its own MEI can say it.
        encoded = _TITLE.sub(r'\1fontsize="180%" ', toolkit.getMEI(), count=1)
        toolkit.setInputFrom("mei")
        loaded = toolkit.loadData(encoded)
    if not loaded:
        raise OutputError(f"{tune.title}: verovio can't engrave this tune")
    svg: str = toolkit.renderToSVG(1)
    return svg.replace('font-family="Times, serif"', f'font-family="{_FONTS}"').encode()


def write_png(tune: Tune, *, width: int = 1600) -> bytes:
    """The score as a PNG picture, ``width`` pixels wide, on white.

    Raises:
        OutputError: a package is missing, or the tune can't be engraved.
    """
    svg = _MUSIC_TEXT.sub(_PLAIN_TEXT, write_svg(tune).decode().translate(_SIGNS))
    # resvg anchors a text where its first character stands, be it a line end.
    svg = _LINE_ENDS.sub("><", svg)
    # verovio spaces words as wide as Times; DejaVu's are as narrow only where condensed.
    svg = svg.replace("<svg ", '<svg font-stretch="condensed" ', 1)
    try:
        import resvg_py
    except ImportError as error:
        raise OutputError(_MISSING) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, background="white"))
