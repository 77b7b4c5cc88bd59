"""Damaged files of music and text are read, or refused in a sentence, soon and in little room."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from seqgen.errors import InputError
from seqgen.music.melody import MAX_BARS, MAX_WHOLE_NOTES, read_melody
from seqgen.music.midi import read
from seqgen.music.music21_reader import (
    MAX_CONTAINER_BYTES,
    MAX_MEMBERS,
    read_kern,
    read_musicxml,
    read_mxl,
)
from seqgen.music.remi.reader import read as read_events
from tests.hostile import guard
from tests.hostile.music_reader import FORMS, KERN

PIECES = 20  # of 5,000 files: 100,000


def reread(form: str, piece: int, count: int) -> dict[str, Any]:
    report = guard.run("tests.hostile.music_reader", form, piece, count)
    assert report["files"] == count
    assert report["refused"] < count
    return report


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files_are_read_or_refused(form: str) -> None:
    reread(form, 0, 150)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)  # of a busy machine; each file has its own second of the processor
@pytest.mark.parametrize("piece", range(1, PIECES + 1))
@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_thousand_damaged_files(
    form: str, piece: int, tell: Callable[[str], None]
) -> None:
    tell(f"{form}: {reread(form, piece, 5000)}")


def midi(track: str, division: str = "01 e0", header: str = "00 00 00 06") -> bytes:
    """A file of one track, from its events in hexadecimal."""
    body = bytes.fromhex(track)
    head = bytes.fromhex(f"4d546864 {header} 0000 0001 {division}")
    return head + b"MTrk" + len(body).to_bytes(4, "big") + body


NOTE = "00 90 3c 40 60 80 3c 00 "  # C4, 96 ticks long
END = "00 ff 2f 00"
# Files that mido, which reads them for us, can't read, or reads as what they are not.
REFUSED = {
    "a quarter note of no ticks: division by zero": (
        midi(NOTE + END, division="00 00"),
        "counts time in film frames",
    ),
    "a division in SMPTE frames, 25 a second": (
        midi(NOTE + END, division="e7 28"),
        "counts time in film frames",
    ),
    "a metre of one byte: IndexError": (midi("00 ff 58 01 04 " + NOTE + END), "damaged"),
    "a tempo of one byte: IndexError": (midi("00 ff 51 01 07 " + NOTE + END), "damaged"),
    "eight sharps: KeySignatureError": (midi("00 ff 59 02 08 00 " + NOTE + END), "damaged"),
    "a header of two bytes: struct.error": (b"MThd\0\0\0\2\0\1", "its header is too short"),
    "a track that says it has a byte more: EOFError": (
        midi(NOTE + END)[:-1],
        "says it has 12 bytes, and 11 follow",
    ),
    "a track that ends in the middle of an event": (midi(NOTE + "00 90 3c"), "damaged"),
    "a text longer than its track": (midi(NOTE + "00 ff 03 7f 41 " + END), "damaged"),
    "a number of 1 MB, which takes hours to sum": (
        midi("81" * (1 << 20) + "00 " + NOTE + END),
        "number without end",
    ),
    "a running status that never began: OSError": (midi("00 3c 40 " + END), "damaged"),
    "a track of no bytes": (midi(""), ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_known_bad_midi_files(name: str) -> None:
    data, message = REFUSED[name]
    for reader in (read, read_melody, read_events):
        try:
            found = reader(data, path="song.mid")
        except InputError as error:
            text = str(error)
        else:  # of a track of no bytes all that can be read is that it holds no notes
            text = "song.mid: " if not getattr(found, "tracks", found) else "was read"
        assert text.startswith("song.mid: ")
        assert message in text


READ = {
    "a tempo of no time": "00 ff 51 03 00 00 00 ",
    "a metre of no beats": "00 ff 58 04 00 02 18 08 ",
    "a metre of 255/2^255": "00 ff 58 04 ff ff 18 08 ",
    "a metre of 255/2048": "00 ff 58 04 ff 0b 18 08 ",
    "a title that clears the screen": "00 ff 03 04 1b 5b 32 4a ",
}


@pytest.mark.parametrize("name", READ)
def test_odd_midi_files_are_read(name: str) -> None:
    data = midi(READ[name] + NOTE + END)
    assert len(read(data).tracks) == 1
    assert read_events(data).count("Pitch_60") == 1
    assert read_melody(data)[0].voices


def test_a_melody_has_no_more_bars_than_the_limit() -> None:
    # A metre of 1/1024, and a note of eight whole notes.
    data = midi("00 ff 58 04 01 0a 18 08 00 90 3c 40 ff 7f 80 3c 00 " + END)
    with pytest.raises(InputError, match=f"more than {MAX_BARS:,} bars"):
        read_melody(data)


def test_a_melody_is_no_longer_than_the_limit() -> None:
    late = "ff ff ff 7f 90 40 40 60 80 40 00 "  # 2^28 ticks later
    data = midi(NOTE + late + END)
    with pytest.raises(InputError, match=f"longer than {MAX_WHOLE_NOTES:,} whole notes"):
        read_melody(data, path="x.mid")
    with pytest.raises(InputError, match="longer than 20,000 bars"):
        read_events(data)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


CONTAINER = b"<container><rootfiles><rootfile full-path='a.xml'/></rootfiles></container>"


def test_archives_are_bounded_whatever_they_say() -> None:
    with pytest.raises(InputError, match=f"archive of more than {MAX_MEMBERS:,} files"):
        read_mxl(zipped({f"{n}": b"" for n in range(MAX_MEMBERS + 1)}))
    with pytest.raises(InputError, match="holds more than 64 KiB"):
        read_mxl(zipped({"META-INF/container.xml": b" " * (MAX_CONTAINER_BYTES + 1)}))
    bomb = zipped({"META-INF/container.xml": CONTAINER, "a.xml": b" " * ((16 << 20) + 1)})
    assert len(bomb) < 20_000
    with pytest.raises(InputError, match="holds more than 16 MiB"):
        read_mxl(bomb)
    with pytest.raises(InputError, match="holds more than 16 MiB"):
        read_mxl(b"PK\x03\x04" + bytes(16 << 20))


def test_entities_do_not_multiply() -> None:
    bomb = b"<!DOCTYPE a [<!ENTITY b 'cc'>" + b"".join(
        b"<!ENTITY b%d '%s'>" % (n, b"&b%d;" % (n - 1) * 10) for n in range(1, 30)
    )
    with pytest.raises(InputError, match="defines entities"):
        read_musicxml(bomb + b"]><score-partwise>&b29;</score-partwise>")
    with pytest.raises(InputError, match="damaged"):
        read_mxl(zipped({"META-INF/container.xml": bomb + b"]><a>&b29;</a>"}))


def test_a_damaged_stream_in_an_archive() -> None:
    data = zipped({"META-INF/container.xml": CONTAINER * 3})
    at = data.index(b"container.xml") + len("container.xml")
    with pytest.raises(InputError, match="damaged"):
        read_mxl(data[:at] + bytes(8 * [0xFF]) + data[at + 8 :])


def test_a_container_in_an_unknown_encoding() -> None:
    with pytest.raises(InputError, match="damaged"):
        read_mxl(zipped({"META-INF/container.xml": b"<?xml version='1.0' encoding='UTFn8'?><a/>"}))


SCORE = """<score-partwise><part-list><score-part id="P1"><part-name/></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>1</divisions>
<key><fifths>{fifths}</fifths></key><time><beats>{beats}</beats><beat-type>4</beat-type></time></attributes>
<note><pitch><step>C</step><alter>{alter}</alter><octave>{octave}</octave></pitch>
<duration>1</duration>{more}</note></measure></part></score-partwise>"""
PLAIN = {"fifths": "0", "beats": "4", "alter": "0", "octave": "4", "more": ""}
TUPLET = (
    "<type>quarter</type><time-modification><actual-notes>111</actual-notes><normal-notes>2</normal-notes>"
    "</time-modification>"
)


def test_the_score_is_sound_as_it_is() -> None:
    assert read_musicxml(SCORE.format(**PLAIN).encode())[0].voices[0].bars


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"octave": "99999999999999999999"}, "no number of beats, sharps or octaves"),
        ({"octave": "42"}, "there is no note C of octave 42"),
        ({"alter": "-3"}, "there is no note|can't be read as MusicXML"),
        ({"beats": "1024th"}, r"^x:3: this is no number of beats"),
        ({"beats": "9<!-- -->999999"}, "no number of beats"),
        ({"beats": "&#57;&#57;&#57;&#57;"}, "no number of beats"),
        ({"fifths": "-99999999999999999999"}, "no number of beats"),
        ({"more": TUPLET}, "there are no tuplets of 111"),
        (
            {"more": "<lyric number='99999999999999999999'><text>la</text></lyric>"},
            "there is no verse 9999",
        ),
    ],
)
def test_scores_beyond_bounds(changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_musicxml(SCORE.format(**PLAIN | changed).encode(), path="x")


def test_kern_beyond_bounds() -> None:
    with pytest.raises(InputError, match="no number of beats"):
        read_kern(b"**kern\n*M1024/4\n4c\n*-\n")


def test_what_a_reader_says_of_a_file_is_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    data = KERN[1].replace(b"4c\n", b"4c\n4\x1b]0;title\x07\n", 1)
    with contextlib.suppress(InputError):
        read_kern(data, path="x.krn")
    assert capfd.readouterr() == ("", "")


def test_every_form_has_been_thought_of() -> None:
    from seqgen.music.forms import READERS

    assert len(set(READERS.values())) == len(set(FORMS) - {"text"})
