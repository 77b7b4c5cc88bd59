"""The melody of a MIDI file as a tune: metre, key, bars, spelling, ties and tuplets.

A MIDI file tells when keys are pressed and not how it is written. Metre and key are taken from its
meta events where it has them and estimated from the notes where not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from os import PathLike
from pathlib import Path

from seqgen.errors import InputError
from seqgen.files import STDIN
from seqgen.music.abc.fields import default_unit, parse_key
from seqgen.music.abc.notation import SHARPS
from seqgen.music.abc.parser import parse_tune
from seqgen.music.abc.writer import write_tune
from seqgen.music.accidentals import with_accidentals
from seqgen.music.meter_and_key import estimate_key, estimate_meter, upbeat
from seqgen.music.midi import MidiFile, read
from seqgen.music.performance import DRUM_CHANNEL, Track
from seqgen.music.quantisation import Sounding, quantise
from seqgen.music.score import (
    Bar,
    BarLine,
    Chord,
    Clef,
    Item,
    Key,
    LineBreak,
    Meter,
    MeterChange,
    Note,
    Pitch,
    Rest,
    Tempo,
    Tune,
    Tuplet,
    Voice,
    pitch,
)
from seqgen.music.tuplets import group_tuplets

__all__ = ["MAX_BARS", "MAX_WHOLE_NOTES", "read_melody", "spell"]

MAX_WHOLE_NOTES = 2048
"""Of a melody's length, over an hour at 120 quarter notes a minute."""
MAX_BARS = 4096

_BARS_A_LINE = 4


def read_melody(data: bytes, *, path: str | PathLike[str] | None = None) -> list[Tune]:
    """The melody of a MIDI file as a tune of one voice.

    Of several tracks it is the highest on average of those with many notes, drums left out. Notes
    that begin together are a chord; one that sounds on while the next begins is cut there.

    Raises:
        InputError: it is no MIDI file, damaged, too long, or holds no notes.
    """
    midi = read(data, path=path)
    track = _melody(midi)
    if track is None:
        raise InputError("holds no melody: no track has notes, other than drums", path=path)
    notes = quantise(track.notes, midi.ticks_per_quarter)
    if notes[-1].onset + notes[-1].duration > MAX_WHOLE_NOTES:
        raise InputError(f"lasts longer than {MAX_WHOLE_NOTES:,} whole notes; cut it", path=path)
    quarter = midi.ticks_per_quarter
    meters = [(Fraction(tick, 4 * quarter), meter) for tick, meter in midi.meters]
    if not meters or meters[0][0] > 0:
        meters.insert(0, (Fraction(0), estimate_meter(notes)))
    key = (parse_key(midi.keys[0][1])[0] if midi.keys else None) or estimate_key(notes)
    meter = meters[0][1]
    title = track.name or (Path(path).stem if path not in (None, STDIN) else "")
    tempo = None
    if midi.tempos:
        qpm = midi.tempos[0][1]
        whole = Fraction(round(qpm))
        near = whole if abs(qpm - whole) < Fraction(1, 50) else Fraction(round(qpm * 100), 100)
        tempo = Tempo((Fraction(1, 4),), near) if 1 <= near <= 10000 else None
    voice = with_accidentals(Voice("", "", Clef(), _bars(notes, meters, key, path)), key, ())
    titles = (" ".join(title.split()),) if title.strip() else ()
    unit = default_unit(meter)
    tune = Tune("1", titles, key, meter, unit, tempo, "", (voice,))
    return [parse_tune(write_tune(tune), path=path)]


def _melody(midi: MidiFile) -> Track | None:
    tracks = [track for track in midi.tracks if track.channel != DRUM_CHANNEL]
    if not tracks:
        return None
    most = max(len(track.notes) for track in tracks)
    full = [track for track in tracks if 4 * len(track.notes) >= most]
    return max(full, key=lambda track: sum(n.pitch for n in track.notes) / len(track.notes))


def spell(number: int, key: Key) -> Pitch:
    """The spelling of a MIDI note number nearest to the key on the line of fifths.

    The key's own seven letters come first, then raised fourth, first and fifth and lowered seventh
    and third: what both its major and its minor scale need.
    """
    letter_line = (7 * number - key.fifths + 3) % 12 + key.fifths - 3  # fifths above C
    step = SHARPS[(letter_line + 1) % 7]
    alter = (letter_line + 1) // 7
    natural = number - alter
    return pitch(step, alter, natural // 12 - 1)


def _bars(
    notes: Sequence[Sounding],
    meters: Sequence[tuple[Fraction, Meter]],
    key: Key,
    path: str | PathLike[str] | None,
) -> tuple[Bar, ...]:
    """Bars from the first note's bar to the last note's, the upbeat first."""
    builder = _BarBuilder(key)
    end = notes[-1].onset + notes[-1].duration
    # A melody may begin with rests; whole bars of them are left out.
    first = meters[0][1].duration or Fraction(1)
    start = notes[0].onset // first * first if len(meters) == 1 else Fraction(0)
    # A metre of 1/2^200 has too many bars to look for an upbeat in.
    regular = start == 0 and end <= MAX_BARS * first
    early = upbeat(notes, meters[0][1]) if regular else Fraction(0)
    edges = list(islice(_edges(start, end, meters, early), MAX_BARS + 1))
    if len(edges) > MAX_BARS:
        raise InputError(f"has more than {MAX_BARS:,} bars; no melody has", path=path)
    index, held = 0, None
    bars: list[Bar] = []
    for number, (begin, finish, meter) in enumerate(edges):
        events: list[tuple[Fraction, Fraction, tuple[int, ...], bool]] = []
        time = begin
        while time < finish and (held is not None or index < len(notes)):
            note = held or notes[index]
            if note.onset >= finish:
                break
            if note.onset > time:
                events.append((time, note.onset - time, (), False))
                time = note.onset
            last = min(note.onset + note.duration, finish)
            going_on = note.onset + note.duration > finish
            events.append((time, last - time, note.pitches, going_on))
            time = last
            if going_on:
                held = Sounding(finish, note.onset + note.duration - finish, note.pitches)
            else:
                held = None
                index += 1
        if time < finish and number + 1 < len(edges):
            events.append((time, finish - time, (), False))
        items = builder.items(events, begin, meter)
        if number and meter != edges[number - 1][2]:
            items.insert(0, MeterChange(meter))
        if number and number % _BARS_A_LINE == 0:
            items.insert(0, LineBreak())
        right = BarLine("final" if number + 1 == len(edges) else "thin")
        left = bars[-1].right if bars else BarLine("none")
        bars.append(Bar(left, right, tuple(items)))
    return tuple(bars)


def _edges(
    start: Fraction, end: Fraction, meters: Sequence[tuple[Fraction, Meter]], first: Fraction
) -> Iterator[tuple[Fraction, Fraction, Meter]]:
    """Begin, end and metre of each bar; the first lasts ``first`` if that is not zero."""
    time, at = start, 0
    while time < end:
        while at + 1 < len(meters) and meters[at + 1][0] <= time:
            at += 1
        meter = meters[at][1]
        length = meter.duration or Fraction(1)
        finish = time + (first if first and time == start else length)
        if at + 1 < len(meters):
            finish = min(finish, meters[at + 1][0])
        yield time, finish, meter
        time = finish


class _BarBuilder:
    """Turns the events of a bar into items."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def items(
        self,
        events: Sequence[tuple[Fraction, Fraction, tuple[int, ...], bool]],
        begin: Fraction,
        meter: Meter,
    ) -> list[Item]:
        items: list[Item] = []
        group = Fraction(3, 8) if meter.compound else Fraction(1, 4)
        if (meter.duration or 0) == 1:
            group = Fraction(1, 2)
        before: int | None = None  # which beam group the note before stands in
        for onset, duration, pitches, tie in events:
            for at, length, last in _pieces(onset - begin, duration):
                tuplet = _tuplet(length)
                if not pitches:
                    items.append(Rest(length, True, 0, tuplet))
                    before = None
                    continue
                beam = int(at // group) if length < Fraction(1, 4) else None
                joined = beam is not None and beam == before
                before = beam
                tied = tie or not last
                notes = tuple(
                    Note(spell(number, self._key), None, length, tied) for number in pitches
                )
                items.append(
                    notes[0]._replace(joined=joined, tuplet=tuplet)
                    if len(notes) == 1
                    else Chord(notes, length, joined, tuplet)
                )
        return group_tuplets(items)


def _pieces(at: Fraction, duration: Fraction) -> list[tuple[Fraction, Fraction, bool]]:
    """A note as its parts in tuplets must be written: none crosses a quarter note of its bar."""
    if _plain(duration) and _plain(at):
        return [(at, duration, True)]
    pieces = []
    quarter = Fraction(1, 4)
    end = at + duration
    while at < end:
        edge = (at // quarter + 1) * quarter
        if _plain(at) and _plain(end):
            edge = end
        elif _plain(at) and end - at >= quarter:
            edge = end // quarter * quarter
        finish = min(edge, end)
        pieces.append((at, finish - at, finish == end))
        at = finish
    return pieces


def _plain(time: Fraction) -> bool:
    return time.denominator & (time.denominator - 1) == 0


def _tuplet(duration: Fraction) -> Tuplet | None:
    if _plain(duration):
        return None
    return Tuplet(3, 2, 1, 0) if duration.denominator % 3 == 0 else Tuplet(5, 4, 1, 0)
