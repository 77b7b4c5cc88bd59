"""Damage for files: of their bytes whatever they are, and of what their form says they hold."""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO

EDGES = (0, 1, 2, 0x0A, 0x20, 0x22, 0x2D, 0x30, 0x39, 0x7B, 0x7F, 0x80, 0xC0, 0xE2, 0xF0, 0xFF)
MIDI_PIECES = (
    b"\x00\xff\x51\x03\x00\x00\x00",  # a tempo without end
    b"\x00\xff\x51\x01\x07",  # a tempo cut short
    b"\x00\xff\x58\x04\x00\x02\x18\x08",  # no beats
    b"\x00\xff\x58\x04\xff\xff\x18\x08",  # 255 of 2^255
    b"\x00\xff\x58\x01\x04",  # a metre cut short
    b"\x00\xff\x59\x02\x08\x00",  # eight sharps
    b"\x00\xff\x59\x02\x80\x07",
    b"\x00\xff\x54\x05\xff\xff\xff\xff\xff",  # a time of day
    b"\x00\xff\x20\x01\xff",  # channel 255
    b"\x00\xff\x03\x04\x1b[2J",
    b"\xff\xff\xff\x7f",  # as late as can be
    b"\x00\xf0\x05\x7e\x7f\x09\x01\xf7",
    b"\x00\xf7\x00",
    b"\x00\xf1\x00",
    b"\x00\x90\x3c\x40",
    b"\x60\x80\x3c\x00",
    b"\x00\xc0\x7f",
    b"\x00\xe0\x00\x40",
    b"\x00\xff\x2f\x00",
    b"MTrk\x00\x00\x00\x04\x00\xff\x2f\x00",
)
XML_VALUES = (
    "", "0", "-1", "1", "3", "7", "12", "1e9", "99999999999999999999", "0.1", "NaN", "inf", "1/0",
    "A", "H", "x", "natural", "double-sharp", "quarter", "1024th", "start", "stop", "yes", "G",
    "major", "\u00e9\U0001d11e", "4+3", "\t\n", "&#27;", "&amp;", "&bomb;", "]]>",
)  # fmt: skip
KERN_VALUES = (
    "*", ".", "!", "*-", "*^", "*v", "*+", "*x", "=", "==", "=:|!", "4c", "0c", "00c", "3%2c", "4.",
    "4r", "[4c", "4c]", "4cc#-n", "4c 4e 4g", "qc", "*M0/0", "*M3/8%5", "*k[f#c#", "*k[]", "*C:",
    "*MM0", "*clefG2", "*>A", "**kern", "**dynam", "4ccccccccccc", "999999999c", "4c;T(L/", "\t",
)  # fmt: skip


def damaged(chance: random.Random, data: bytes, pieces: Sequence[bytes] = ()) -> bytes:
    """Bytes with one to six changes: of bits and bytes, left out, doubled, moved, put in, cut."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(changed) + 1)
        until = min(len(changed), at + chance.choice((1, 1, 2, 4, 9, 40)))
        kind = chance.randrange(9)
        if kind == 0 and at < until:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < until:
            changed[at] = chance.choice(EDGES)
        elif kind == 2 and at < until:
            changed[at] = chance.randrange(256)
        elif kind == 3:
            del changed[at:until]
        elif kind == 4:
            changed[at:at] = changed[at:until] * chance.choice((1, 2, 50))
        elif kind == 5:
            start = chance.randrange(len(changed) + 1)
            changed[at:until] = changed[start : start + until - at]
        elif kind == 6:
            changed[at:at] = bytes(chance.choices(EDGES, k=chance.choice((1, 2, 8))))
        elif kind == 7 and pieces:
            changed[at:at] = chance.choice(pieces)
        elif kind == 8 and chance.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def damaged_midi(chance: random.Random, data: bytes) -> bytes:
    """A MIDI file with other bytes, or with other events in tracks that say how long they are."""
    if chance.random() < 0.3:
        return damaged(chance, data, MIDI_PIECES)
    head, *tracks = data.split(b"MTrk")
    bodies = [track[4:] for track in tracks]
    at = chance.randrange(len(bodies))
    bodies[at] = damaged(chance, bodies[at], MIDI_PIECES)
    if chance.random() < 0.1:
        head = damaged(chance, head)
    return head + b"".join(
        b"MTrk" + (len(body) + off).to_bytes(4, "big") + body
        for body in bodies
        for off in [1 if chance.random() < 0.02 and body else 0]
    )


_XML_PARTS = re.compile(r"(<[^<>]*>)")


def damaged_xml(chance: random.Random, data: bytes) -> bytes:
    """XML with other bytes, or with other values, and elements left out, doubled or moved."""
    if chance.random() < 0.2:
        return damaged(chance, data, (b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<note>", b"</note>"))
    parts = _XML_PARTS.split(data.decode())
    return _rearranged(chance, parts, XML_VALUES).encode()


def damaged_kern(chance: random.Random, data: bytes) -> bytes:
    """**kern with other bytes, or other tokens in its columns."""
    if chance.random() < 0.2:
        return damaged(chance, data)
    return _rearranged(chance, re.split(r"([\t\n])", data.decode()), KERN_VALUES).encode()


def _rearranged(chance: random.Random, parts: list[str], values: Sequence[str]) -> str:
    parts = list(parts)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(parts))
        until = min(len(parts), at + chance.choice((1, 2, 5, 20)))
        kind = chance.randrange(5)
        if kind == 0:
            parts[at] = chance.choice(values)
        elif kind == 1:
            del parts[at:until]
            parts = parts or [""]
        elif kind == 2:
            parts[at:at] = parts[at:until]
        elif kind == 3:
            other = chance.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        else:
            parts[at] = re.sub(r"\d+", lambda _: chance.choice(values), parts[at])
    return "".join(parts)


def damaged_archive(
    chance: random.Random, data: bytes, change: Callable[[random.Random, bytes], bytes]
) -> bytes:
    """A zip archive with other bytes, or with one of its files changed."""
    if chance.random() < 0.5:
        return damaged(chance, data, (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as archive, zipfile.ZipFile(buffer, "w") as changed:
        chosen = chance.choice(archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            if name == chosen:
                content = change(chance, content)
            changed.writestr(name, content, chance.choice((zipfile.ZIP_STORED, 8)))
    return buffer.getvalue()
