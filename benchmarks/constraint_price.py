"""What the grammar costs: bits on real tunes, mass removed, speed, and variety.

    python benchmarks/constraint_price.py model.safetensors held-out.abc --tunes 1000

The bits are those of valid held-out tunes under the model as it is, and with the grammar's mask on
every step (that of all valid tunes, and that of the part which is drawn). Tunes are drawn as
`seqgen sample` draws them, by turns one with and one without, so that their speeds compare. What is
drawn without the grammar is judged as a whole, and those tunes alone that happen to be valid: what
the model would write if it were asked again until it is right.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from seqgen import checkpoint
from seqgen.config import DEFAULT_SAMPLING
from seqgen.corpus.tunes import find_tunes
from seqgen.models import decoders
from seqgen.models.decoders import Decoder
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.music.abc.parser import parse
from seqgen.music.score import Bar, Chord, Note
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.filters import log_softmax
from seqgen.sampling.generate import continuation
from seqgen.tokenization import BOUNDARY, Tokenizer


def price(
    decoder: Decoder, tokenizer: Tokenizer, constraint: Constraint, tunes: list[str]
) -> tuple[float, float, int, int]:
    """Bits a character without and with the grammar, tunes measured, and tunes it refuses."""
    free = held = 0.0
    characters = measured = beyond = 0
    for tune in tunes:
        ids = [*tokenizer.encode(tune).tolist(), BOUNDARY]
        if any(1 <= token <= 16 for token in ids):
            beyond += 1
            continue
        logits, network = decoder.prefill(np.array([[BOUNDARY]], np.int32), decoder.start(1))
        state = constraint.grammar.start()
        sums = np.zeros(2)
        for token in ids:
            allowed = constraint.allowed(state)
            if not allowed[token]:
                sums[:] = np.nan
                break
            logs = log_softmax(logits[0])
            sums += logs[token], logs[token] - np.log(np.exp(logs)[allowed].sum())
            if token != BOUNDARY:
                state = constraint.advance(state, token)
                logits, network = decoder.step(np.array([token], np.int32), network)
        if np.isnan(sums[0]):
            beyond += 1
            continue
        free, held = free - sums[0] / np.log(2), held - sums[1] / np.log(2)
        characters += len(tune) + 1
        measured += 1
    return free / characters, held / characters, measured, beyond


def by_turns(
    decoder: Decoder,
    tokenizer: Tokenizer,
    constraint: Constraint,
    count: int,
    temperature: float,
) -> tuple[list[str], list[str], float, float, list[float]]:
    """Tunes with and without, tokens a second of each, and the share removed at each step."""
    config = replace(DEFAULT_SAMPLING["abc"], max_tokens=4000, temperature=temperature)
    removed: list[float] = []
    texts: tuple[list[str], list[str]] = ([], [])
    tokens, seconds = [0, 0], [0.0, 0.0]
    for number in range(-2, count):  # the first two fill caches of the system
        for side, held in enumerate((constraint, None)):
            began = time.perf_counter()
            text = "".join(
                continuation(
                    decoder, tokenizer, "", config, seed=6, number=number + 2, constraint=held
                )
            )
            if number >= 0:
                seconds[side] += time.perf_counter() - began
                tokens[side] += len(tokenizer.encode(text))
                texts[side].append(text)
    for number in range(min(count, 100)):
        for _ in continuation(
            decoder, tokenizer, "", config, seed=6, number=number + 2, constraint=constraint,
            observe=lambda _, share: removed.append(share),
        ):  # fmt: skip
            pass
    rates = [count / max(time_, 1e-9) for count, time_ in zip(tokens, seconds, strict=True)]
    return *texts, rates[0], rates[1], removed


def bars(text: str) -> Iterator[Bar]:
    """The bars of a tune that hold something; none where it can't be read."""
    tune = next((each.tune for each in parse(text)), None)
    for bar in tune.voices[0].bars if tune else ():
        if bar.events:
            yield bar


def meter(text: str) -> Fraction | None:
    """How long a bar of a tune lasts; None where it is free, or the tune can't be read."""
    tune = next((each.tune for each in parse(text)), None)
    return tune.meter.duration if tune else None


@dataclass(frozen=True, slots=True)
class Variety:
    """What tunes are made of.

    Attributes:
        rhythms: distinct ones of bars, a tune.
        whole: those of bars that fill their metre, a tune.
        characters: a tune.
        pitches: how often each pitch class comes.
        durations: how often each duration of a note comes.
    """

    rhythms: float
    whole: float
    characters: float
    pitches: Counter[str]
    durations: Counter[str]


def variety(texts: list[str]) -> Variety:
    """Of some tunes."""
    skeletons, whole, pitches, durations = [], [], Counter[str](), Counter[str]()
    for text in texts:
        rhythms = set()
        full = meter(text)
        for bar in bars(text):
            rhythms.add(tuple(event.duration for event in bar.events))
            for event in bar.events:
                durations[str(event.duration)] += 1
                notes = (event,) if isinstance(event, Note) else ()
                for note in event.notes if isinstance(event, Chord) else notes:
                    pitches[str(note.pitch.midi % 12)] += 1
        skeletons.append(len(rhythms))
        whole.append(sum(full is None or sum(each) == full for each in rhythms))
    length = sum(map(len, texts)) / len(texts)
    means = float(np.mean(skeletons)), float(np.mean(whole))
    return Variety(*means, length, pitches, durations)


def overlap(one: Counter[str], other: Counter[str]) -> float:
    """The shared area of two histograms, 0 to 1."""
    totals = sum(one.values()), sum(other.values())
    return sum(min(one[key] / totals[0], other[key] / totals[1]) for key in one if key in other)


def main() -> None:
    """Print the price."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", help="a model file of tunes")
    parser.add_argument("held_out", help="an ABC file that it was not trained on")
    parser.add_argument("--tunes", type=int, default=1000)
    parser.add_argument("--temperature", type=float, default=1.0, help="of the drawn tunes")
    options = parser.parse_args()
    saved = checkpoint.load(options.model)
    tokenizer = saved.card.tokenizer
    decoder = decoders.build(saved.card.model, saved.weights)
    tunes = find_tunes(Path(options.held_out).read_text(encoding="utf-8"), suffix=".abc")
    valid = [tune for tune in tunes if Grammar().fault(tune) is None]
    print(f"{len(valid)} of {len(tunes)} held-out tunes are valid")
    constraint = Constraint(tokenizer, Conditions())
    for name, plain in (("all valid tunes", False), ("the part that is drawn", True)):
        constraint = Constraint(tokenizer, Conditions(), plain=plain)
        free, held, measured, beyond = price(decoder, tokenizer, constraint, valid)
        print(f"{name}: {free:.4f} bits a character without, {held:.4f} with the grammar; "
              f"{measured} tunes, {beyond} beyond it")  # fmt: skip
    held_texts, free_texts, held_rate, free_rate, removed = by_turns(
        decoder, tokenizer, constraint, options.tunes, options.temperature
    )
    half = sum(share > 0.5 for share in removed) / len(removed)
    print(f"removed a step: mean {np.mean(removed):.3%}; more than half at {half:.2%} of steps")
    print(f"{held_rate:.0f} tokens/s with, {free_rate:.0f} without: {held_rate / free_rate:.2f}")
    sound = [text for text in free_texts if Grammar().fault(text) is None]
    print(f"{len(sound)} of {len(free_texts)} drawn without are valid")
    real = variety(valid)
    drawn = [variety(texts) for texts in (held_texts, free_texts, sound)]
    print("                              with   without  its valid  held out")
    for name, numbers, form in (
        ("distinct bar rhythms a tune", [each.rhythms for each in (*drawn, real)], "9.2f"),
        ("  of bars that fill a metre", [each.whole for each in (*drawn, real)], "9.2f"),
        ("characters a tune          ", [each.characters for each in (*drawn, real)], "9.0f"),
        ("pitch-class overlap        ",
         [overlap(each.pitches, real.pitches) for each in drawn], "9.3f"),
        ("duration overlap           ",
         [overlap(each.durations, real.durations) for each in drawn], "9.3f"),
    ):  # fmt: skip
        print(name, *(f"{number:{form}}" for number in numbers))


if __name__ == "__main__":
    main()
