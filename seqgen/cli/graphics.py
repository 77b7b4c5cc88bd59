"""Pictures in a terminal that can show them: Kitty's protocol, iTerm2's, or Sixel.

Which one is told by what the terminal says of itself in the environment, and for Sixel by its
answer to the request for its attributes (DA1, ECMA-48 8.3.24; attribute 4 is Sixel).
"""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PROTOCOLS", "protocol", "sixel"]

_CHUNK = 4096
_ANSWER_SECONDS = 0.3
_GREYS = 8


def kitty(png: bytes) -> bytes:
    """A PNG in Kitty's graphics protocol: base64 in chunks, shown at the cursor."""
    data = base64.b64encode(png)
    pieces = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    out = bytearray()
    for index, piece in enumerate(pieces):
        first = b"a=T,f=100," if index == 0 else b""
        more = b"1" if index + 1 < len(pieces) else b"0"
        out += b"\x1b_G" + first + b"m=" + more + b";" + piece + b"\x1b\\"
    return bytes(out) + b"\n"


def iterm2(png: bytes) -> bytes:
    """A PNG in iTerm2's inline image protocol, as wide as the window."""
    head = b"\x1b]1337;File=inline=1;width=100%%;size=%d:" % len(png)
    return head + base64.b64encode(png) + b"\a\n"


def sixel(png: bytes) -> bytes:
    """A PNG as Sixel in a few greys."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        grey = np.asarray(image.convert("L"), dtype=np.uint16)
    return encode_sixel(grey * (_GREYS - 1) // 255)


def encode_sixel(levels: NDArray[Any]) -> bytes:
    """Grey levels, (height, width), 0 black to 7 white, as Sixel."""
    import numpy as np

    height, width = levels.shape
    out = bytearray(b'\x1bPq"1;1;%d;%d' % (width, height))
    for level in range(_GREYS):
        percent = 100 * level // (_GREYS - 1)
        out += b"#%d;2;%d;%d;%d" % (level, percent, percent, percent)
    weights = (1 << np.arange(6, dtype=np.uint8))[:, None]
    for top in range(0, height, 6):
        band = levels[top : top + 6]
        for level in np.unique(band):
            bits = ((band == level) * weights[: band.shape[0]]).sum(axis=0).astype(np.uint8)
            out += b"#%d" % level + _run_lengths(bits + 63) + b"$"
        out += b"-"
    return bytes(out) + b"\x1b\\\n"


def _run_lengths(codes: NDArray[np.uint8]) -> bytes:
    import numpy as np

    edges = np.flatnonzero(np.diff(codes)) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [codes.size])))
    return b"".join(
        b"!%d%c" % (length, codes[start]) if length > 3 else bytes([codes[start]]) * length
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    )


PROTOCOLS: dict[str, Callable[[bytes], bytes]] = {
    "kitty": kitty,
    "iterm2": iterm2,
    "sixel": sixel,
}


def protocol() -> str | None:
    """The protocol of the terminal on standard output; None if it shows no pictures."""
    if not sys.stdout.isatty():
        return None
    environment = os.environ
    terminal = environment.get("TERM", "")
    program = environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or terminal.startswith(("screen", "tmux", "dumb", "linux")):
        return None
    if environment.get("KITTY_WINDOW_ID") or terminal in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty"):
        return "iterm2"
    return "sixel" if "sixel" in terminal or _answers_sixel() else None


def _answers_sixel() -> bool:
    """Ask the terminal for its attributes; no answer in time means no."""
    try:
        import select
        import termios
        import tty

        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except (ImportError, OSError):
        return False
    try:
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)
            os.write(descriptor, b"\x1b[c")
            answer = b""
            while not answer.endswith(b"c") and len(answer) < 256:
                if not select.select([descriptor], [], [], _ANSWER_SECONDS)[0]:
                    return False
                answer += os.read(descriptor, 64)
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
    except (OSError, termios.error):
        return False
    finally:
        os.close(descriptor)
    return b"4" in answer.strip(b"\x1b[?c").split(b";")[1:]
