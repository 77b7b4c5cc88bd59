"""``seqgen demo``: the whole way once, on the embedded corpus."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.console import Debug, Verbose, parse_duration, put, say
from seqgen.errors import OutputError

__all__ = ["demo"]

FOLDER = Path("demo")
TUNES = 4
TEMPERATURE = 0.9


def demo(
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time to train.")] = "2m",
    seed: Annotated[int, typer.Option(min=0, help="Decides everything.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier demo.")] = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn 1,059 tunes that come with seqgen, and write new ones into demo/.

    It trains for two minutes and needs no download.
    """
    began = time.perf_counter() - time.process_time()

    from seqgen.cli.display import Display
    from seqgen.cli.pieces import playable
    from seqgen.cli.runs import Timing, begin
    from seqgen.cli.train import train_to_end

    seconds = parse_duration(budget)
    model = FOLDER / "model.safetensors"
    tunes = [FOLDER / f"tune-{number + 1}.abc" for number in range(TUNES)]
    for path in (model, *tunes, *(tune.with_suffix(".mid") for tune in tunes)):
        if path.exists() and not force:
            raise OutputError(f"{path} exists; --force replaces what is in {FOLDER}/")
    say("Ryan's Mammoth Collection, Boston 1883: reels, jigs, hornpipes and more.")
    display = Display.choose(quiet=False)
    timing = Timing(began, display.show_seconds)
    options = {"budget": f"{seconds}s", "seed": seed}
    with display.waiting():
        run = begin([], model, options, None, timing, force=True)
    train_to_end(run, display)

    from seqgen import checkpoint
    from seqgen.config import DEFAULT_SAMPLING
    from seqgen.files import write_atomically
    from seqgen.sampling.sampler import Sampler

    saved = checkpoint.load(model)
    config = replace(DEFAULT_SAMPLING["abc"], temperature=TEMPERATURE)
    sampler = Sampler(saved, config, prompt="", seed=seed)
    for number, tune in enumerate(tunes):
        text, midi = playable(sampler, number, TUNES)
        write_atomically(tune, text.encode())
        write_atomically(tune.with_suffix(".mid"), midi)
        if number == 0:
            put(text)
    say(
        f"""
{FOLDER}/ holds {TUNES} new tunes as .abc and .mid, and the model that wrote them. Next:

  seqgen sample -m {model} > song.mid     another tune, as MIDI
  seqgen sample -m {model} -n 5 | less    five, as ABC notation
  seqgen train your-tunes.abc{" " * (len(str(model)) + 5)} learn from your own
"""
    )
