"""Manual pages: every command and option is in them, and roff has nothing to complain of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner

from seqgen.cli.main import app
from seqgen.errors import UsageError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["man", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_every_option_is_in_its_commands_page() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        page = run(name)
        assert f".SH NAME\nseqgen\\-{name} \\- " in page
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option.replace("-", "\\-") in page, option
        assert f"\\fBseqgen\\-{name}\\fR(1)" in run()
    assert "Examples" not in run("score")
    assert ".SH EXAMPLES\n.nf\n.RS 4\nseqgen score \\-m prose essay.txt\n" in run("score")


def test_all_pages_go_to_a_folder_and_are_good_roff(tmp_path: Path) -> None:
    assert run("--dir", str(tmp_path / "man")) == ""
    pages = sorted((tmp_path / "man").iterdir())
    names = [page.name for page in pages]
    assert {"seqgen.1", "seqgen-sample.1", "seqgen-corpus-list.1"} <= set(names)
    assert (tmp_path / "man" / "seqgen-corpus-list.1").read_text() == run("corpus", "list")
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", *pages], capture_output=True, check=True
    )
    assert done.stderr == b""


def test_text_that_roff_would_act_on_is_escaped() -> None:
    page = run("train")
    assert not [line for line in page.splitlines() if line.startswith("'")]
    assert "folder\\-of\\-midi/" in page
    assert "\\(aq" in page or "'" not in page


def test_no_word_in_brackets_is_taken_for_a_style() -> None:
    shown = CliRunner().invoke(app, ["config", "--help"]).stdout
    assert "[sample]" in shown
    assert "\n[sample]\n" in run("config")
    pending = [get_command(app)]
    while pending:
        command = pending.pop()
        pending += getattr(command, "commands", {}).values()
        helps = [command.help, command.epilog, *(getattr(e, "help", "") for e in command.params)]
        for text in filter(None, helps):
            assert Text.from_markup(text).plain == text.replace("\\[", "[")


def test_no_such_command() -> None:
    with pytest.raises(UsageError, match="there is no command seqgen sing"):
        run("sing")
    with pytest.raises(UsageError, match="drop the command"):
        run("sample", "--dir", "x")
