"""``seqgen play``, pictures in terminals, and the tunes that ``seqgen show`` prints."""

from __future__ import annotations

import base64
import io
import os
import stat
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seqgen.cli import graphics, player
from seqgen.cli.main import app
from seqgen.cli.player import NO_PLAYER, play_wav
from seqgen.cli.tunes import show_tunes, summary
from seqgen.errors import InputError, OutputError, SeqgenError, UsageError
from seqgen.music import engraving
from seqgen.music.abc.parser import parse_tune
from seqgen.music.score import Note

GOOD = "X:1\nT:Blackbird\nR:reel\nM:4/4\nL:1/8\nQ:1/4=120\nK:Dmix\nABcd efga|]\n"
OTHER = "X:2\nT:Thrush\nM:3/4\nK:G\nG2B2d2|]\n"
BAD = "X:3\nT:Crow\nK:C\nAB[ce|\n"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.abc").write_text(GOOD)
    Path("two.abc").write_text(f"{GOOD}\n{OTHER}")
    Path("bad.abc").write_text(f"{GOOD}\n{BAD}")


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A player on PATH that copies what it is given and ends."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "aplay"
    script.write_text(
        f"#!{sys.executable}\nimport shutil, sys, os, uuid\n"
        f"shutil.copy(sys.argv[-1], os.path.join({str(folder)!r}, uuid.uuid1().hex + '.wav'))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["play", *arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def seconds(data: bytes) -> float:
    with wave.open(io.BytesIO(data)) as file:
        return file.getnframes() / file.getframerate()


def test_every_tune_goes_to_the_systems_player(recorder: Path) -> None:
    run("two.abc")
    played = sorted(seconds(path.read_bytes()) for path in recorder.glob("*.wav"))
    assert played == pytest.approx([1.5 + 0.15, 2.0 + 0.15], abs=0.01)


def test_one_tune_is_chosen_by_its_place(recorder: Path) -> None:
    run("two.abc", "--tune", "2")
    (path,) = recorder.glob("*.wav")
    assert seconds(path.read_bytes()) == pytest.approx(1.65, abs=0.01)
    with pytest.raises(UsageError, match="there is no tune 5; 2 were read"):
        run("two.abc", "--tune", "5")


def test_a_player_that_fails_is_named(recorder: Path) -> None:
    (recorder / "aplay").write_text("#!/bin/sh\necho 'no card' >&2\nexit 3\n")
    with pytest.raises(OutputError, match=r"aplay can't play: no card; write a file with -o"):
        run("good.abc")


def test_without_a_player_the_error_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(player.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OutputError) as caught:
        run("good.abc")
    assert f"{caught.value}" == NO_PLAYER
    with pytest.raises(OutputError):
        play_wav(b"")


def test_a_file_is_written_instead_and_never_replaced_by_surprise() -> None:
    run("good.abc", "-o", "song.wav")
    first = Path("song.wav").read_bytes()
    assert seconds(first) == pytest.approx(2.15, abs=0.01)
    with pytest.raises(OutputError, match=r"song\.wav exists; --force replaces it"):
        run("good.abc", "-o", "song.wav")
    run("good.abc", "-o", "song.wav", "--force", "--transpose", "12")
    assert Path("song.wav").read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("two.abc", "-o", "song.wav"), UsageError, "choose one with --tune"),
        (("good.abc", "-o", "song.mp3"), UsageError, "play writes .wav"),
        (("none.abc", "-o", "song.wav"), InputError, "can't be read"),
        (("bad.abc", "--tune", "2", "-o", "song.wav"), SeqgenError, "1 of 2 tunes"),
    ],
)
def test_what_cannot_be_played(
    arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(*arguments)


def test_form_is_told_by_the_suffix() -> None:
    Path("song.ogg").write_bytes(b"OggS")
    with pytest.raises(InputError, match=r"song\.ogg: can't play '\.ogg'; it can be one of \.abc"):
        run("song.ogg")


# -- convert


@pytest.mark.parametrize("suffix", ["abc", "mid", "musicxml", "xml", "mxl"])
def test_convert_writes_forms_that_it_reads_back(suffix: str) -> None:
    convert = ["convert", "--transpose", "-2"]
    for arguments in (
        [*convert, "good.abc", f"song.{suffix}"], ["convert", f"song.{suffix}", "back.abc"],
    ):  # fmt: skip
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    tune = parse_tune(Path("back.abc").read_text())
    events = tune.voices[0].bars[0].events
    numbers = [event.pitch.midi for event in events if isinstance(event, Note)]
    assert numbers == [67, 69, 70, 72, 74, 76, 77, 79]


@pytest.mark.skipif(
    not engraving.available(), reason="needs the extra: pip install 'seqgen[engraving]'"
)
def test_convert_writes_pictures_and_sound() -> None:
    for name, head in (("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.wav", b"RIFF")):
        assert CliRunner().invoke(app, ["convert", "good.abc", name]).exit_code == 0
        assert Path(name).read_bytes().startswith(head)


# -- show


def test_a_summary_says_what_a_player_asks() -> None:
    assert summary(parse_tune(GOOD)) == "1. Blackbird: reel, 4/4, D mixolydian, 1 bar, 0:02"


def test_tunes_are_printed_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    show_tunes("two.abc")
    out = capsys.readouterr().out
    assert GOOD in out
    assert OTHER in out
    assert "\x1b" not in out
    assert out.index("1. Blackbird") < out.index("X:1") < out.index("2. Thrush")


def test_a_terminal_gets_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_tunes("good.abc")
    assert "\x1b[" in capsys.readouterr().out


def test_a_faulty_tune_is_named_and_the_others_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SeqgenError, match="1 of 2 tunes have errors"):
        show_tunes("bad.abc")
    captured = capsys.readouterr()
    assert "Blackbird" in captured.out
    assert "bad.abc:13:3: " in captured.err


def test_escape_codes_in_a_title_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("evil.abc").write_text(GOOD.replace("Blackbird", "\x1b]0;owned\x07"))
    show_tunes("evil.abc")
    assert "\x1b" not in capsys.readouterr().out


# -- pictures


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
    ],
)
def test_terminals(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "TERM_PROGRAM", "TMUX", "KITTY_WINDOW_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(graphics, "_answers_sixel", lambda: False)
    assert graphics.protocol() is None  # standard output is no terminal here
    monkeypatch.setattr(graphics.sys.stdout, "isatty", lambda: True, raising=False)
    assert graphics.protocol() == expected


def test_kitty_and_iterm2_carry_the_whole_picture() -> None:
    picture = bytes(range(256)) * 40
    pieces = graphics.PROTOCOLS["kitty"](picture).split(b"\x1b_G")[1:]
    assert pieces[0].startswith(b"a=T,f=100,m=1;")
    assert pieces[-1].startswith(b"m=0;")
    data = b"".join(piece.split(b";", 1)[1].split(b"\x1b")[0] for piece in pieces)
    assert base64.b64decode(data) == picture
    shown = graphics.PROTOCOLS["iterm2"](picture)
    assert shown.startswith(b"\x1b]1337;File=inline=1;")
    assert base64.b64decode(shown.split(b":", 1)[1].split(b"\a")[0]) == picture


def test_sixel_gives_every_pixel_its_grey() -> None:
    levels = np.random.default_rng(1).integers(0, 8, (14, 9))
    levels[3:9, 2:8] = 5
    assert decode_sixel(graphics.encode_sixel(levels), levels.shape).tolist() == levels.tolist()


def decode_sixel(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Draw Sixel data: colours, run lengths, and six rows a character."""
    found = np.full(shape, -1)
    body = data[len(b'\x1bPq"1;1;9;14') : -len(b"\x1b\\\n")].decode()
    row = column = colour = position = 0
    while position < len(body):
        character = body[position]
        position += 1
        if character == "#":
            end = position
            while end < len(body) and (body[end].isdigit() or body[end] == ";"):
                end += 1
            colour = int(body[position:end].split(";")[0])
            position = end
        elif character == "$":
            column = 0
        elif character == "-":
            row, column = row + 6, 0
        else:
            times = 1
            if character == "!":
                end = position
                while body[end].isdigit():
                    end += 1
                times, character, position = int(body[position:end]), body[end], end + 1
            bits = ord(character) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    found[row + bit, column : column + times] = colour
            column += times
    return found


@pytest.mark.skipif(
    not engraving.available(), reason="needs the extra: pip install 'seqgen[engraving]'"
)
def test_a_terminal_with_pictures_gets_the_score(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(graphics, "protocol", lambda: "sixel")
    show_tunes("good.abc")
    out = capfdbinary.readouterr().out
    assert b"1. Blackbird" in out
    assert b"\x1bPq" in out
    assert b"K:Dmix" not in out
