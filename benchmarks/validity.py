"""Draws tunes from trained and untrained models under every control, and looks for faults.

    python benchmarks/validity.py lstm.safetensors transformer.safetensors --tunes 10000

For each model also one of the same architecture and vocabulary with random weights. Tunes are
shared out over the models, temperatures 0.5, 1.0 and 1.5, ten metres and 84 keys. Each is read by
the recogniser, by the parser behind ``seqgen check``, by ``abc2midi`` as drawn and in canonical
form, and a share of them by music21. Controls are then asked for one at a time, and bars infilled.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from seqgen import checkpoint
from seqgen.config import DEFAULT_SAMPLING, SamplingConfig
from seqgen.errors import SeqgenError
from seqgen.models import decoders, parameters
from seqgen.models.decoders import Decoder
from seqgen.music.abc.grammar import Conditions, Grammar, parse_range
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.score import Chord, Note, Tune
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import continuation
from seqgen.sampling.infill import Gaps
from seqgen.tokenization import Tokenizer

METERS = ("2/4", "3/4", "4/4", "6/8", "9/8", "12/8", "5/4", "7/8", "C", "C|")
TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# The other spelling of the black keys where the first has more than seven accidentals.
OTHER = {"Db": "C#", "Eb": "D#", "Ab": "G#", "Bb": "A#", "F#": "Gb"}
MODES = ("maj", "min", "dor", "phr", "lyd", "mix", "loc")
TEMPERATURES = (0.5, 1.0, 1.5)
# What abc2midi says of valid real tunes too.
TOLERATED = (
    "Assuming repeat", "replacing |: with double repeat", "found |1 or like before |:",
    "found [1 or like before |:", "found :: before |:", "time units while the time signature has",
)  # fmt: skip
REPEATS = TOLERATED[:4]


@dataclass(frozen=True)
class Model:
    """A model to draw from."""

    name: str
    decoder: Decoder
    tokenizer: Tokenizer
    trained: bool


def models(paths: list[str]) -> Iterator[Model]:
    """Each model as saved, then with random weights far from uniform."""
    for path in paths:
        saved = checkpoint.load(path)
        card = saved.card
        yield Model(
            Path(path).stem, decoders.build(card.model, saved.weights), card.tokenizer, True
        )
        rng = np.random.default_rng(0)
        weights = {
            name: (weight + rng.normal(0, 0.1, weight.shape)).astype(np.float32)
            for name, weight in parameters.initialise(card.model, 0).items()
        }
        yield Model(
            f"untrained {Path(path).stem}",
            decoders.build(card.model, weights),
            card.tokenizer,
            False,
        )


def keys() -> list[str]:
    """Twelve tonics in seven modes, each spelled with at most seven accidentals."""
    grammar = Grammar()
    found = []
    for tonic, mode in product(TONICS, MODES):
        spellings = [tonic + mode, OTHER.get(tonic, tonic) + mode]
        found.append(
            next(
                each for each in spellings if grammar.read(grammar.start(), f"X:1\nT:\nK:{each}\n")
            )
        )
    return found


def drawn(model: Model, conditions: Conditions, temperature: float, number: int) -> str:
    """One tune."""
    constraint = _constraint(model, conditions)
    config = replace(
        DEFAULT_SAMPLING["abc"],
        temperature=temperature,
        max_tokens=2000 if model.trained else 400,
    )
    pieces = continuation(
        model.decoder, model.tokenizer, "", config, seed=4, number=number, constraint=constraint
    )
    text = "".join(pieces)
    return text if text.endswith("\n") else text + "\n"


_constraints: dict[tuple[str, Conditions], Constraint] = {}


def _constraint(model: Model, conditions: Conditions) -> Constraint:
    key = (model.name, conditions)
    if key not in _constraints:
        _constraints[key] = Constraint(model.tokenizer, conditions)
    return _constraints[key]


class Faults:
    """What was found, with an example of each class."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, kind: str, tune: str) -> None:
        """Count one."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, tune)


def look(texts: list[str], faults: Faults, abc2midi: str | None) -> None:
    """Read tunes with everything that can say they are wrong."""
    grammar = Grammar()
    for text in texts:
        offset = grammar.fault(text)
        if offset is not None:
            faults.add("the recogniser refuses it", text)
        for parsed in parse(text):
            for each in parsed.diagnostics:
                faults.add(f"check: {each.code}", text)
    if abc2midi is not None:
        for message, text in complaints(texts, abc2midi):
            if not any(known in message for known in TOLERATED):
                faults.add(f"abc2midi: {_class(message)}", text)
        forms = [write_tune(parse_tune(text)) for text in texts]
        for message, text in complaints(forms, abc2midi):
            if any(known in message for known in REPEATS):
                faults.add(f"abc2midi, canonical: {_class(message)}", text)


def complaints(texts: list[str], abc2midi: str) -> Iterator[tuple[str, str]]:
    """What abc2midi prints of each tune, with the tune."""
    with tempfile.TemporaryDirectory() as folder:
        for text in texts:
            path = Path(folder, "tune.abc")
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
            done = subprocess.run(
                [abc2midi, path, "-o", Path(folder, "tune.mid")],
                capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            for line in said.splitlines():
                if "Error" in line or "Warning" in line:
                    yield line, text


def _class(message: str) -> str:
    return re.sub(r"\d+", "#", re.sub(r"in line-char [\d-]+ *:?", "", message))[:80]


def notes(tune: Tune) -> list[int]:
    """MIDI pitches of a tune."""
    found = []
    for bar in tune.voices[0].bars:
        for event in bar.events:
            if isinstance(event, Note):
                found.append(event.pitch.midi)
            elif isinstance(event, Chord):
                found += [note.pitch.midi for note in event.notes]
    return found


def counted_bars(tune: Tune) -> int:
    """Bars that fill their metre, or complete an upbeat at a section's end."""
    full = tune.meter.duration
    bars = [bar for bar in tune.voices[0].bars if bar.events]
    if full is None:
        return len(bars)
    first, count = True, 0
    for bar in bars:
        edge = bar.right.style != "thin" or bool(bar.right.closes or bar.right.opens)
        count += not (first and bar.duration < full and not edge)
        first = edge
    return count


def controls(model: Model, count: int, faults: Faults) -> None:
    """Ask for each control ``count`` times and see whether it holds."""
    low, high = parse_range("G,-b'")
    asked = {
        "meter": Conditions(meter="9/8"), "key": Conditions(key="Ador"),
        "unit-length": Conditions(unit="1/16"), "bars": Conditions(bars=16),
        "form": Conditions(form="AABB", bars=16), "range": Conditions(lowest=low, highest=high),
        "rhythm": Conditions(rhythm="jig"), "title": Conditions(title="A Tune"),
    }  # fmt: skip
    for name, conditions in asked.items():
        held = 0
        for number in range(count):
            text = drawn(model, conditions, 1.0, number)
            good = _holds(name, text)
            held += good
            if not good:
                faults.add(f"--{name} did not hold", text)
        print(f"  --{name:12} held in {held} of {count}", flush=True)


def _holds(name: str, text: str) -> bool:
    tune = parse_tune(text)
    if name == "meter":
        return tune.meter.beats == (9,) and tune.meter.unit == 8
    if name == "key":
        return (tune.key.tonic, tune.key.mode) == ("A", "dor")
    if name == "unit-length":
        return 16 * tune.unit == 1
    if name == "bars":
        return counted_bars(tune) == 16
    if name == "form":
        edges = [bar.right for bar in tune.voices[0].bars if bar.events]
        return counted_bars(tune) == 16 and sum(edge.closes > 0 for edge in edges) == 2
    if name == "range":
        low, high = parse_range("G,-b'")
        return all(low <= pitch <= high for pitch in notes(tune))
    if name == "rhythm":
        return "\nR:jig\n" in text
    return tune.titles[0] == "A Tune"


def infills(model: Model, count: int, faults: Faults) -> None:
    """Open two bars of drawn tunes and fill them."""
    constraint = _constraint(model, Conditions())
    config = SamplingConfig()
    rng = np.random.default_rng(1)
    fitted = tried = number = 0
    while tried < count:
        text = drawn(model, Conditions(bars=16), 0.8, number)
        number += 1
        opened = _opened(text, rng)
        if opened is None:
            continue
        tried += 1
        try:
            filled = Gaps(opened, "tune").fill(
                model.decoder, model.tokenizer, constraint, config, seed=5, number=number
            )
        except SeqgenError as error:
            faults.add(f"infill: {error}"[:60], opened)
            continue
        good = Grammar().fault(filled) is None and not next(parse(filled)).diagnostics
        fitted += good
        if not good:
            faults.add("infill: not valid", filled)
    print(f"  infilled bars fit in {fitted} of {tried}", flush=True)


def _opened(text: str, rng: np.random.Generator) -> str | None:
    """The tune with two of its inner bars written as ?."""
    head, key, music = text.partition("\nK:")
    line, _, body = music.partition("\n")
    bars = list(re.finditer(r"(?<=[^:|]\|)([^\n|:\[\]!\"(){}-]{3,})(?=\|[^:|\]])", body))
    if len(bars) < 2:
        return None
    for index in sorted(rng.choice(len(bars), 2, replace=False))[::-1]:
        body = body[: bars[index].start()] + "?" + body[bars[index].end() :]
    return f"{head}{key}{line}\n{body}"


def by_music21(texts: list[str]) -> Faults:
    """What music21 says where it can't read a tune."""
    import warnings

    from music21 import converter

    refused = Faults()
    for text in texts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                converter.parse(text, format="abc")
            except Exception as error:  # whatever it raises is what is counted
                refused.add(f"music21: {type(error).__name__}: {error}"[:80], text)
    return refused


def main() -> None:
    """Print what is wrong, which should be nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("models", nargs="+", help="model files of tunes")
    parser.add_argument("--tunes", type=int, default=10_000)
    parser.add_argument("--controls", type=int, default=1_000, help="tunes a control")
    parser.add_argument("--music21", type=int, default=200, help="tunes that music21 reads")
    options = parser.parse_args()
    abc2midi = shutil.which("abc2midi")
    if abc2midi is None:
        print("abc2midi is missing, so its part is left out; Debian has it in abcmidi")
    everything = list(models(options.models))
    plan = list(product(METERS, keys()))
    faults, kept = Faults(), []
    each = -(-options.tunes // len(everything))
    for model in everything:
        began, characters, texts = time.perf_counter(), 0, []
        for number in range(each):
            meter, key = plan[number * 37 % len(plan)]
            conditions = Conditions(meter=meter, key=key)
            if "#" in key and "#" not in model.tokenizer.pieces:
                conditions = Conditions(meter=meter)  # it can't spell such keys
            texts.append(drawn(model, conditions, TEMPERATURES[number % 3], number))
            characters += len(texts[-1])
        seconds = time.perf_counter() - began
        look(texts, faults, abc2midi)
        kept += texts[:: max(1, each * len(everything) // max(1, options.music21))]
        _constraints.clear()
        print(f"{model.name}: {each} tunes, {characters // each} characters each, {seconds:.0f} s")
        print(f"  faults so far {sum(faults.counts.values())}", flush=True)
    for model in (everything[0], everything[-2]) if options.controls else ():
        print(f"controls, {model.name}")
        controls(model, options.controls, faults)
        infills(model, options.controls, faults)
    by_other = by_music21(kept)
    print(f"music21 read {len(kept)} and refused {sum(by_other.counts.values())}")
    for found in (faults, by_other):
        for kind, count in found.counts.most_common():
            print(f"{count:6}  {kind}")
            lines = found.examples[kind].splitlines()
            print("\n".join(f"        {line}" for line in lines[:60]))
    print(f"{each * len(everything)} tunes, {sum(faults.counts.values())} faults")
    sys.exit(bool(faults.counts))


if __name__ == "__main__":
    main()
