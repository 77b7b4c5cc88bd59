"""``seqgen corpus``: payload on stdout, all else on stderr, nothing heavy imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seqgen.cli.corpus import app
from seqgen.corpus.catalog import CATALOG
from seqgen.errors import InputError

TUNES = ["X:1\nT:Blackbird\nK:D\nabc|\n", "X:2\nT:Blackthorn é\nK:G\nBAG|\n"]


@pytest.fixture(autouse=True)
def _tunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tunes.abc").write_text("\n".join(TUNES), encoding="utf-8")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_list_off_a_terminal_is_one_line_a_collection_with_tabs() -> None:
    rows = [line.split("\t") for line in run("list").stdout.splitlines()]

    assert [row[0] for row in rows] == list(CATALOG)
    assert {len(row) for row in rows} == {8}
    assert rows[0][1:5] == ["abc", "1059", "embedded", "Ryan's Mammoth Collection"]


def test_list_says_where_a_download_lies() -> None:
    place = [line.split("\t")[3] for line in run("list").stdout.splitlines() if "MIT l" in line]
    Path("corpora").mkdir()
    Path("corpora/irish.abc").write_text("anything")
    after = [line.split("\t")[3] for line in run("list").stdout.splitlines() if "MIT l" in line]

    assert after == [str(Path.cwd() / "corpora/irish.abc")]
    assert after != place


@pytest.mark.parametrize(
    ("which", "tune"), [((), 0), (("1",), 0), (("2",), 1), (("THORN",), 1), (("bird",), 0)]
)
def test_show_prints_one_tune_to_the_byte(which: tuple[str, ...], tune: int) -> None:
    result = run("show", "tunes.abc", *which)

    assert result.stdout_bytes == TUNES[tune].encode()
    assert result.stderr == ""


def test_show_names_the_other_matches_on_stderr() -> None:
    result = run("show", "tunes.abc", "black")

    assert result.stdout == TUNES[0]
    assert result.stderr == "seqgen: the first of several; also: Blackthorn é\n"


def test_show_reads_a_whole_text() -> None:
    Path("words.txt").write_bytes(b"one\r\ntwo")

    assert run("show", "words.txt").stdout_bytes == b"one\r\ntwo"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tunes.abc", "3"), r"^tunes.abc: has no document 3; it holds 2"),
        (("tunes.abc", "0"), "has no document 0"),
        (("tunes.abc", "swan"), "no tune whose title holds 'swan'"),
        (("tune.abc",), "neither a file nor a catalogued corpus"),
    ],
)
def test_show_refuses_what_is_not_there(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("show", *arguments)


def test_stats_as_lines_and_as_json() -> None:
    lines = [line.split("\t") for line in run("stats", "tunes.abc").stdout.splitlines()]
    data = json.loads(run("stats", "tunes.abc", "--json").stdout)

    assert ["documents", "", "2"] in lines
    assert ["key", "D major", "1"] in lines
    assert (data["documents"], data["key"]) == (2, {"D major": 1, "G major": 1})
    assert data["characters"] == len("\n".join(TUNES)) + 1


def test_stats_of_nothing_named_are_those_of_the_embedded_collection() -> None:
    assert json.loads(run("stats", "--json").stdout)["documents"] == 1059


def test_commands_import_neither_tensorflow_nor_music21() -> None:
    program = (
        "import sys\n"
        "from seqgen.cli.corpus import app\n"
        "for arguments in (['list'], ['stats'], ['show', 'airds-airs']):\n"
        "    app(arguments, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'music21', 'numpy', 'h5py'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")
