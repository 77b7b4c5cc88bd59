"""A sample of weights that still learn: short, quick, valid as far as it goes, safe to show."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seqgen import checkpoint
from seqgen.cli.preview import CHARACTERS, LINES, Preview
from seqgen.music.abc.parser import parse_tune
from seqgen.tokenization import Tokenizer
from tests.support import make_config, make_weights


def preview_of(path: Path, **options: object) -> tuple[Preview, checkpoint.Checkpoint]:
    saved = checkpoint.load(path)
    return Preview(saved.card.model, saved.card.tokenizer, saved.card.kind, **options), saved  # type: ignore[arg-type]


def test_a_tune_is_shown_by_its_notes(make_model: Callable[..., Path]) -> None:
    """Even of random weights: the grammar holds them to music."""
    preview, saved = preview_of(make_model(scheme="abc"), clock=lambda: 0.0)
    for number in range(5):
        name, body = preview.draw(saved.weights, number)
        assert not any(line[1:2] == ":" and line[0].isalpha() for line in body.splitlines())
        if body:
            assert body.count("\n") <= LINES + 1
            assert "," in name  # a metre or title, and a key
            line = body.splitlines()[0]
            assert parse_tune(f"X:1\nK:{name.rsplit(', ', 1)[1]}\n{line}\n")


def test_it_ends_in_time(make_model: Callable[..., Path]) -> None:
    ticks = iter(np.arange(0, 1000, 0.1).tolist())
    path = make_model(scheme="char", kind="text")
    hurried, saved = preview_of(path, clock=lambda: next(ticks))
    endless, _ = preview_of(path, clock=lambda: 0.0)
    short, full = hurried.draw(saved.weights, 0)[1], endless.draw(saved.weights, 0)[1]
    assert full.startswith(short.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert len(short) < 12  # a reading of the clock for each piece
    assert len(full) <= CHARACTERS + 20


def test_no_random_state_but_its_own_is_used(make_model: Callable[..., Path]) -> None:
    preview, saved = preview_of(make_model(), clock=lambda: 0.0)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first = preview.draw(saved.weights, 3)
    assert preview.draw(saved.weights, 3) == first != preview.draw(saved.weights, 4)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_letters_too_few_for_a_tune_are_shown_as_they_come() -> None:
    tokenizer = Tokenizer.learn("char", ["abc " * 30])
    model = make_config("rnn", tokenizer.size)
    name, body = Preview(model, tokenizer, "abc", lambda: 0.0).draw(make_weights(model), 0)
    assert name == ""
    assert body


def test_control_characters_do_not_reach_the_terminal() -> None:
    tokenizer = Tokenizer.learn("char", ["\x1b[2J\x07" * 30])
    model = make_config("rnn", tokenizer.size)
    _, body = Preview(model, tokenizer, "text", lambda: 0.0).draw(make_weights(model), 0)
    assert body
    assert "\x1b" not in body
    assert "\x07" not in body
