"""seqgen as a library: what the command line does, without the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqgen
from seqgen import load
from seqgen.errors import CheckpointError, InputError, UsageError
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.sampling.text_grammar import TextGrammar
from tests.support import TUNES

MakeModel = Callable[..., Path]
TUNE = TUNES.split("\n\n", 1)[0] + "\n"


def seqgen_says(*arguments: str | Path, stdin: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_it_draws_what_the_command_draws(make_model: MakeModel) -> None:
    path = make_model()
    drawn = load(path).sample("X:1\n", 2, seed=7, temperature=0.8, top_k=9, max_tokens=99)
    said = seqgen_says(
        *("sample", "-m", path, "-p", "X:1\n", "-n2", "--seed=7", "--temperature=0.8"),
        *("--top-k=9", "--max-tokens=99", "--format=abc", "--no-stamp"),
    )
    assert "\n".join(drawn) == said
    assert all(Grammar().fault(text) is None for text in drawn)


def test_tunes_are_drawn_without_unlikely_tokens_unless_asked_otherwise(
    make_model: MakeModel,
) -> None:
    for kind, usual, other in (("abc", 0.05, 0.0), ("text", 0.0, 0.05)):
        model = load(make_model(name=kind, kind=kind))
        # The model is untrained: only a low temperature makes tokens unlikely.
        drawn = [
            model.sample(seed=1, max_tokens=99, temperature=0.3, min_p=share)
            for share in (None, usual, other)
        ]
        assert drawn[0] == drawn[1] != drawn[2]


def test_a_stream_joined_is_the_sample(make_model: MakeModel) -> None:
    model = load(make_model(kind="text"))
    drawn = model.sample("to", 3, seed=1, max_tokens=30)
    pieces = list(model.stream("to", number=2, seed=1, max_tokens=30))
    assert len(pieces) > 5
    assert "".join(pieces).rstrip("\n") == drawn[2].rstrip("\n")


def test_conditions_and_grammars_hold(make_model: MakeModel) -> None:
    tunes = load(make_model())
    (tune,) = tunes.sample(seed=1, conditions=Conditions(meter="6/8"))
    assert "M:6/8\n" in tune
    text = load(make_model(name="prose", kind="text"))
    drawn = text.sample(seed=1, max_tokens=9, grammar=TextGrammar("regex", "[a-c]{4}"))
    assert len(drawn[0]) == 5
    assert set(drawn[0]) <= set("abc\n")


@pytest.mark.parametrize("kind", ["abc", "text"])
def test_it_scores_what_the_command_scores(make_model: MakeModel, kind: str) -> None:
    path = make_model(kind=kind)
    said = json.loads(seqgen_says("score", "-m", path, "--json", "-", stdin=TUNE))
    score = load(path).score(TUNE)
    assert score.bits_per_char == pytest.approx(said["bits_per_char"])
    assert score.perplexity == pytest.approx(said["perplexity"])


def test_midi_is_scored_by_event(make_model: MakeModel) -> None:
    model = load(make_model("transformer", scheme="remi", kind="midi"))
    (piece,) = model.sample(seed=1, max_tokens=60)
    assert model.score(piece).units == len(piece.split()) + 1


def test_errors_are_seqgens(make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such model"):
        load(tmp_path / "none")
    model = load(make_model())
    with pytest.raises(UsageError, match="temperature"):
        model.sample(temperature=-1.0)
    with pytest.raises(InputError, match="empty"):
        model.score("")


def test_a_new_seed_each_time(make_model: MakeModel) -> None:
    model = load(make_model(kind="text"))
    assert model.sample(max_tokens=50) != model.sample(max_tokens=50)


def test_importing_seqgen_alone_loads_nothing() -> None:
    code = "import sys, seqgen; print(sorted({m.split('.')[0] for m in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" not in shown.stdout
    assert "typing" not in shown.stdout
    code = "import sys, seqgen; seqgen.load; print(sorted({m.split('.')[0] for m in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" in shown.stdout
    for heavy in ("tensorflow", "keras", "music21", "typer", "rich"):
        assert heavy not in shown.stdout
    with pytest.raises(AttributeError, match="no attribute 'none'"):
        seqgen.none  # noqa: B018
