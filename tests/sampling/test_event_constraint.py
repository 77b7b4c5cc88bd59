"""Drawing MIDI: whatever a network wants, what comes is a piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import SamplingConfig
from seqgen.errors import InputError, UsageError
from seqgen.music.midi import write
from seqgen.music.remi.reader import read
from seqgen.music.remi.writer import perform
from seqgen.sampling.event_constraint import EventConstraint
from seqgen.sampling.generate import continuation
from seqgen.sampling.sampler import Sampler
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE
from tests.support import BiasedNoise

tokenizer = Tokenizer.learn("remi", [])
constraint = EventConstraint(tokenizer)
OPENING = "Bar_None\nTimeSig_6/8\nPosition_0\nTempo_90.0\nProgram_-1\nPitchDrum_38\n"


def draw(seed: int, max_tokens: int, bias: dict[int, float], prompt: str = "") -> str:
    config = SamplingConfig(max_tokens=max_tokens)
    pieces = continuation(
        BiasedNoise(tokenizer.size, seed, bias),
        tokenizer,
        prompt,
        config,
        seed=seed,
        number=0,
        constraint=constraint,
    )
    return "".join(pieces)


def token(word: str) -> int:
    return FIRST_PIECE + tokenizer.pieces.index(f"{word}\n")


WISHES: dict[str, dict[int, float]] = {
    "no end": {BOUNDARY: -50.0},
    "no bars and no end": {BOUNDARY: -50.0, token("Bar_None"): -50.0},
    "nothing but bars": {BOUNDARY: -50.0, token("Bar_None"): 50.0},
    "an end at once": {BOUNDARY: 50.0},
    "half bytes": dict.fromkeys(range(1, FIRST_PIECE), 50.0),
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("max_tokens", [8, 9, 40, 300])
def test_what_is_drawn_is_a_piece_that_reads_back_the_same(wish: str, max_tokens: int) -> None:
    for seed in range(3):
        text = draw(seed, max_tokens, WISHES[wish])
        assert read(write(perform(text))) == text
        assert len(text.split()) <= max_tokens


def test_it_goes_on_from_a_prompt() -> None:
    text = OPENING + draw(1, 50, {BOUNDARY: -9.0}, OPENING)
    assert read(write(perform(text))) == text
    assert "Velocity" in text.split()[6]


def test_a_prompt_that_begins_no_piece_is_refused() -> None:
    with pytest.raises(InputError, match=r"word 2 of the prompt, Pitch_60, can't stand there; what "
                       r"can is TimeSig"):  # fmt: skip
        draw(0, 50, {}, "Bar_None Pitch_60")
    with pytest.raises(InputError, match=r"word 1 of the prompt, X:1, is no event"):
        draw(0, 50, {}, "X:1")


def test_too_short_for_any_piece_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--max-tokens 7 is too short .* the least is 8"):
        draw(0, 7, {})


def test_a_vocabulary_without_words_is_refused() -> None:
    with pytest.raises(UsageError, match=r"lacks 701 events, such as Bar_None"):
        EventConstraint(Tokenizer.learn("char", ["abc"]))


def test_masks_hold_what_the_grammar_holds() -> None:
    place = constraint.place(constraint.begin(""))
    assert np.flatnonzero(place.allowed).tolist() == [token("Bar_None")]
    assert np.isneginf(place.forbidden).sum() == tokenizer.size - 1
    place = constraint.follow(place, token("Bar_None"))
    assert place.allowed[token("TimeSig_7/8")]
    assert not place.allowed[BOUNDARY]
    place = constraint.place(constraint.begin(OPENING + "Velocity_3 Duration_1.0.12"))
    assert place.allowed[BOUNDARY]
    assert not place.allowed[token("PitchDrum_38")]
    assert place.allowed[token("PitchDrum_39")]


MakeModel = Callable[..., Path]


def test_a_model_of_midi_takes_no_wishes_for_abc(make_model: MakeModel) -> None:
    from seqgen.music.abc.grammar import Conditions

    saved = checkpoint.load(make_model(scheme="remi", kind="midi"))
    config = SamplingConfig(max_tokens=60)
    for conditions in (Conditions(meter="6/8"), None):
        with pytest.raises(UsageError, match="writes MIDI, always valid; options for tunes"):
            Sampler(saved, config, prompt="", seed=0, conditions=conditions)
    with pytest.raises(UsageError, match="drop --stop"):
        Sampler(saved, SamplingConfig(stop=("x",)), prompt="", seed=0)
    text = Sampler(saved, config, prompt="Bar_None TimeSig_2/4", seed=0).text(0)
    assert text.startswith("Bar_None\nTimeSig_2/4\nPosition_0\n")
    assert perform(text).tracks
