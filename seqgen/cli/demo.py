"""``seqgen demo``: the whole way once, on the embedded corpus."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.console import (
    Debug,
    Quiet,
    Verbose,
    parse_duration,
    put,
    quiet,
    remark,
)
from seqgen.errors import OutputError

__all__ = ["demo"]

FOLDER = Path("demo")
TUNES = 4
TEMPERATURE = 0.9


def demo(
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time to train.")] = "2m",
    seed: Annotated[int, typer.Option(min=0, help="Decides everything.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier demo.")] = False,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn 1,059 tunes that come with seqgen, and write new ones into demo/.

    It trains for two minutes and needs no download.
    """
    began = time.perf_counter() - time.process_time()

    from seqgen.cli.display import Display
    from seqgen.cli.pieces import playable
    from seqgen.cli.running import train_to_end
    from seqgen.cli.runs import Timing, begin

    seconds = parse_duration(budget)
    model = FOLDER / "model.safetensors"
    tunes = [FOLDER / f"tune-{number + 1}.abc" for number in range(TUNES)]
    for path in (model, *tunes, *(tune.with_suffix(".mid") for tune in tunes)):
        if path.exists() and not force:
            raise OutputError(f"{path} exists; --force replaces what is in {FOLDER}/")
    remark("Ryan's Mammoth Collection, Boston 1883: reels, jigs, hornpipes and more.")
    display = Display.choose(quiet=quiet())
    timing = Timing(began, display.show_seconds)
    options = {"budget": f"{seconds}s", "seed": seed}
    with ExitStack() as held:
        with display.waiting():
            run = begin([], model, options, None, timing, held, force=True)
        train_to_end(run, display)

    from seqgen.files import write_atomically
    from seqgen.library import load

    sampler = load(model).sampler(seed=seed, temperature=TEMPERATURE)
    for number, (tune, drawn) in enumerate(zip(tunes, sampler.texts(range(TUNES)), strict=True)):
        text, midi = playable(sampler, number, drawn)
        write_atomically(tune, text.encode())
        write_atomically(tune.with_suffix(".mid"), midi)
        if number == 0:
            put(text)
    remark(
        f"""
{FOLDER}/ holds {TUNES} new tunes as .abc and .mid, and the model that wrote them. Next:

  seqgen sample -m {model} > song.mid     another tune, as MIDI
  seqgen sample -m {model} -n 5 | less    five, as ABC notation
  seqgen train your-tunes.abc{" " * (len(str(model)) + 5)} learn from your own
"""
    )
