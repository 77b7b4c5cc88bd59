"""How far seqgen's reading of ABC agrees with abc2midi's, over whole collections.

    python benchmarks/abc_agreement.py [FILE.abc ...]

Reads the four collections that the music21 package carries, the examples of Debian's abcmidi
package where installed, and the files named. Each tune goes to both programs alone. Grace notes and
decorations are removed first, and R: fields, since how those are played is the player's choice
(abc2midi plays trills and rolls as notes, halves staccato, and dots hornpipes), and words such as
D.C. and Fine, none of which abc2midi obeys. abc2midi is told to play broken rhythm 3:1, chords at
once and no accompaniment. Then the notes that sound are compared: onset, pitch and duration, to the
tick of abc2midi's file (1/480 of a quarter note).

docs/abc-agreement.md explains the classes of difference.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import mido

from seqgen.music.abc.lexer import Context, Kind, lex_line, lines
from seqgen.music.abc.parser import ParsedTune, parse
from seqgen.music.jump_marks import mark_of
from seqgen.music.performance import perform
from seqgen.music.unfold import unfold

COLLECTIONS = ("ryansMammoth", "oneills1850", "airdsAirs", "essenFolksong")
EXAMPLES = Path("/usr/share/doc/abcmidi/examples")
TICKS = 480
# abc2midi begins a tick late and ends every note a tick early, so that repeated notes part.
LATE = EARLY = 1

FORMAT = "{:<17}{:>6}{:>8}{:>7}{:>7}{:>10}{:>7}{:>10}{:>10}  {}"
# Directives of abc2midi's own that add notes (drum, drone) or change how long they sound (trim …).
OWN_DIRECTIVES = re.compile(r"%%MIDI\s+(?!program|channel|transpose|rtranspose)")

SoundingNotes = list[tuple[int, int, int]]


@dataclass
class Row:
    """One line of the table."""

    name: str
    tunes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    oracle_refused: int = 0
    both: int = 0
    equal: int = 0
    clean: int = 0
    equal_clean: int = 0
    equal_explicit: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: Row) -> None:
        """Count another collection's tunes too."""
        self.tunes += other.tunes
        self.refused += other.refused
        self.oracle_refused += other.oracle_refused
        self.both += other.both
        self.equal += other.equal
        self.clean += other.clean
        self.equal_clean += other.equal_clean
        self.equal_explicit += other.equal_explicit
        self.classes += other.classes


def one_tune_texts(text: str) -> Iterator[str]:
    """Each tune of a text as abc2midi and we shall both read it."""
    context = Context.FILE
    tune: list[str] = []
    for line, _ in lines(text):
        lexemes: list[tuple[Kind, str, int]] = []
        before = context
        context = lex_line(line, context, 0, lexemes)
        if line.startswith("X:") and context is Context.HEADER:
            if tune:
                yield "\n".join(tune) + "\n"
            tune = [line]
        elif not line.strip():
            if tune:
                yield "\n".join(tune) + "\n"
            tune = []
        elif tune and not line.startswith("R:") and not OWN_DIRECTIVES.match(line):
            tune.append(plain(lexemes) if before is Context.BODY else line)
            if before is Context.HEADER and context is Context.BODY:
                tune += ["%%MIDI ratio 3 1", "%%MIDI gchordoff", "%%MIDI chordattack 0"]
    if tune:
        yield "\n".join(tune) + "\n"


def plain(lexemes: list[tuple[Kind, str, int]]) -> str:
    """A line of music without decorations and what stands between { and }."""
    kept: list[str] = []
    inside = False
    for kind, text, _ in lexemes:
        if kind is Kind.GRACE_OPEN:
            inside = True
        elif kind is Kind.GRACE_CLOSE and inside:
            inside = False
        elif not inside and kind not in (Kind.SHORTHAND, Kind.DECORATION):
            kept.append(" " if is_jump(text) else text)  # the blank keeps bar lines apart
    return "".join(kept)


def is_jump(text: str) -> bool:
    """Whether a lexeme is D.C., Fine or the like in quotes."""
    return text.startswith('"') and mark_of(text.strip('"').lstrip("^_<>@")) is not None


def oracle_notes(text: str, folder: str, number: int) -> tuple[SoundingNotes | None, str]:
    """What abc2midi makes of a tune (None if it writes no file), and what it prints."""
    source = Path(folder) / f"{number}.abc"
    target = Path(folder) / f"{number}.mid"
    source.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["abc2midi", str(source), "-o", str(target), "-NFER"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    printed = done.stdout.decode("utf-8", "replace")
    source.unlink()
    if not target.exists():
        return None, printed
    data = target.read_bytes()
    target.unlink()
    return midi_notes(data), printed


def midi_notes(data: bytes) -> SoundingNotes:
    """The notes of a MIDI file as (onset, duration, pitch) in ticks, sorted."""
    found: SoundingNotes = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        time = 0
        sounding: dict[tuple[int, int], list[int]] = {}
        for message in track:
            time += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity:
                sounding.setdefault(key, []).append(time)
            elif sounding.get(key):
                onset = sounding[key].pop(0)
                found.append((onset - LATE, time - onset + EARLY, message.note))
    return sorted(found)


def our_notes(parsed: ParsedTune) -> SoundingNotes | None:
    """The same of ours, in the same ticks; None if the tune is refused."""
    if parsed.tune is None:
        return None
    performance = perform(parsed.tune, graces=False)
    whole = 4 * TICKS
    divisions = performance.divisions
    found = []
    for track in performance.tracks:
        for onset, duration, pitch, _ in track.notes:
            begin = onset * whole / divisions
            end = (onset + duration) * whole / divisions
            found.append((round(begin), round(end) - round(begin), pitch))
    return sorted(found)


def with_explicit_repeats(text: str, parsed: ParsedTune) -> str:
    """The tune with its repeats spelled the one way that abc2midi can't mistake.

    ``|:`` is put wherever a repeat begins without it, and ``||`` where a last ending closes with
    ``:|``; both as the bars are played by us.
    """
    if parsed.tune is None:
        return text
    starts, ends = set(), set()
    for voice in parsed.tune.voices:
        order = unfold(voice.bars, "")
        for before, after in itertools.pairwise(order):
            if after <= before and not voice.bars[after].left.opens:
                starts.add(voice.bars[after].offset)
        last = dict(itertools.pairwise([*order, len(voice.bars)]))
        in_ending = False
        for index, bar in enumerate(voice.bars):
            plain_left = bar.left.style == "thin" and not (bar.left.closes or bar.left.opens)
            in_ending = bool(bar.ending) or (in_ending and plain_left)
            right = bar.right
            if in_ending and right.closes and not right.opens and last.get(index, 0) > index:
                ends.add(text.find(":|", bar.offset + 2))
    for place in sorted(starts | ends, reverse=True):
        begin = text.rfind("\n", 0, place) + 1
        if place in ends:
            text = f"{text[:place]}||{text[place + 2 :]}"
        elif text[begin + 1 : begin + 2] == ":" and text[begin].isalpha():  # a field begins the bar
            text = f"{text[:begin]}|:\n{text[begin:]}"
        else:
            text = f"{text[:place]}|:{text[place:]}"
    return text


def equal(ours: SoundingNotes, theirs: SoundingNotes) -> bool:
    """Whether they are the same, up to abc2midi's rounding of each time (one tick)."""
    return len(ours) == len(theirs) and all(
        a[2] == b[2] and abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1
        for a, b in zip(ours, theirs, strict=True)
    )


def classify(ours: SoundingNotes, theirs: SoundingNotes) -> str:
    """A first sorting of differences."""
    if [note[2] for note in ours] == [note[2] for note in theirs]:
        if all(abs(a[0] - b[0]) <= 1 for a, b in zip(ours, theirs, strict=True)):
            return "durations"
        return "onsets"
    if len(ours) == len(theirs):
        return "pitches"
    return "more notes" if len(ours) > len(theirs) else "fewer notes"


def compare(name: str, paths: list[Path], examples: int) -> Row:
    """One collection."""
    row = Row(name)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for path in paths:
            texts = list(one_tune_texts(path.read_text(encoding="utf-8")))
            jobs = [pool.submit(oracle_notes, text, folder, i) for i, text in enumerate(texts)]
            for text, job in zip(texts, jobs, strict=True):
                row.tunes += 1
                parsed = next(iter(parse(text)))
                ours = our_notes(parsed)
                theirs, printed = job.result()
                if ours is None:
                    error = parsed.error
                    row.refused[error.code if error else "?"] += 1
                if theirs is None:
                    row.oracle_refused += 1
                if ours is None or theirs is None:
                    continue
                row.both += 1
                same = equal(ours, theirs)
                if "\nError" not in printed:
                    row.clean += 1
                    row.equal_clean += same
                if same:
                    row.equal += 1
                    continue
                explicit = with_explicit_repeats(text, parsed)
                if explicit != text:
                    again, more = oracle_notes(explicit, folder, len(texts))
                    if again is not None and equal(ours, again):
                        row.equal_explicit += 1
                        continue
                    printed += more
                kind = classify(ours, theirs)
                row.classes[kind] += 1
                shown = row.examples.setdefault(kind, [])
                if len(shown) < examples:
                    shown.append(f"--- {path.name} {kind}\n{text}{printed}")
    return row


def collections(files: list[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Names and files of the collections that are there."""
    for path in files:
        yield path.name, [path]
    spec = importlib.util.find_spec("music21")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for name in COLLECTIONS:
            yield name, sorted((Path(root) / "corpus" / name).glob("*.abc"))
    if EXAMPLES.is_dir():
        yield "abcmidi examples", sorted(EXAMPLES.glob("*.abc"))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare seqgen's ABC with abc2midi's.")
    parser.add_argument("files", nargs="*", type=Path, help="further ABC files")
    parser.add_argument("--examples", type=int, default=0, help="print so many tunes of each class")
    parser.add_argument("--only", help="only this collection")
    options = parser.parse_args()
    if shutil.which("abc2midi") is None:
        print("abc2midi is not installed; on Debian: apt install abcmidi", file=sys.stderr)
        return 1
    heads = ("collection", "tunes", "refused", "both", "equal", "share", "clean", "share")
    print(FORMAT.format(*heads, "explicit", "other differences; refusals"))
    everything = Row("all")
    for name, paths in collections(options.files):
        if options.only and options.only != name:
            continue
        row = compare(name, paths, options.examples)
        everything.add(row)
        print_row(row)
        for texts in row.examples.values():
            for text in texts:
                print(text)
    print_row(everything)
    return 0


def print_row(row: Row) -> None:
    """A line of the table."""
    notes = ", ".join(f"{kind} {count}" for kind, count in row.classes.most_common()) or "-"
    reasons = ", ".join(f"{code} {count}" for code, count in row.refused.most_common()) or "-"
    refused = sum(row.refused.values())
    line = FORMAT.format(
        *(row.name, row.tunes, refused, row.both, row.equal, share(row.equal, row.both)),
        *(row.clean, share(row.equal_clean, row.clean)),
        share(row.equal + row.equal_explicit, row.both),
        f"{notes}; {reasons}",
    )
    print(line, flush=True)


def share(part: int, whole: int) -> str:
    """A percentage."""
    return f"{100 * part / max(1, whole):.2f} %"


if __name__ == "__main__":
    sys.exit(main())
