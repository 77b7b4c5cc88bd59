"""A score as sound: which pitch begins when, for how long, on which track.

Repeats, endings and the order of parts are played out, ties merged, grace notes given time from the
note they adorn. Times are whole numbers of a fraction of a whole note that divides every duration
of the tune, so nothing is rounded; ``midi`` and ``audio`` round at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from seqgen.music.accompaniment import accompany
from seqgen.music.score import (
    PLAIN,
    Attached,
    Bar,
    Chord,
    Clef,
    Directive,
    Item,
    Key,
    KeyChange,
    Meter,
    MeterChange,
    Note,
    Rest,
    Spacer,
    TempoChange,
    Tune,
    Voice,
)
from seqgen.music.unfold import unfold

__all__ = ["DRUM_CHANNEL", "Performance", "TimedNote", "Track", "perform"]

DEFAULT_QPM = Fraction(120)

_VELOCITIES = {
    "pppp": 20, "ppp": 30, "pp": 42, "p": 54, "mp": 66, "mf": 80, "f": 94, "ff": 108, "fff": 120,
    "ffff": 127, "sfz": 112,
}  # fmt: skip
_DEFAULT_VELOCITY = 80
_ACCENTS = frozenset({"accent", ">", "emphasis", "marcato", "^", "sfz"})
DRUM_CHANNEL = 9
"""General MIDI's percussion channel, counted from 0."""


class TimedNote(NamedTuple):
    """A note that sounds.

    Args:
        onset: in divisions from the beginning; duration: in divisions.
        pitch: MIDI note number, 0 to 127.
        velocity: 1 to 127.
    """

    onset: int
    duration: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Track:
    """What one voice (or the accompaniment) plays.

    Args:
        name: for people; ``""`` if it has none.
        channel: MIDI channel, 0 to 15.
        programs: (onset in divisions, General MIDI program 0 to 127).
        notes: in the order they begin.
        lyrics: (onset in divisions, syllable) of the first verse.
    """

    name: str
    channel: int
    programs: tuple[tuple[int, int], ...]
    notes: tuple[TimedNote, ...]
    lyrics: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Performance:
    """A tune as it sounds.

    Args:
        title: of the tune.
        divisions: how many make a whole note.
        tracks: one a voice, then the accompaniment where asked for.
        tempos: (onset in divisions, quarter notes a minute), the first at 0.
        meters: (onset, metre); keys: (onset, key); as the first voice has them.
        duration: of the longest track, in divisions.
    """

    title: str
    divisions: int
    tracks: tuple[Track, ...]
    tempos: tuple[tuple[int, Fraction], ...]
    meters: tuple[tuple[int, Meter], ...]
    keys: tuple[tuple[int, Key], ...]
    duration: int


def perform(
    tune: Tune, *, graces: bool = True, chords: bool = False, swing: Fraction | None = None
) -> Performance:
    """Play a tune.

    Args:
        tune: the score.
        graces: whether grace notes sound, each stealing time from its note.
        chords: whether chord symbols are played as an accompaniment on a track of their own.
        swing: how much longer the first of two eighths is than the second, such as 2 for triplet
            feel; simple metres only.
    """
    stretch = swing.numerator + swing.denominator if swing is not None else 1
    divisions = _divisions(tune) * stretch
    players = [_Player(tune, voice, divisions, graces) for voice in tune.voices]
    for player in players:
        player.play()
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    tracks = [player.track(channels[index % len(channels)]) for index, player in enumerate(players)]
    first = players[0]
    if chords:
        notes, bass = accompany(first.symbols, first.bars, divisions)
        if notes:
            timed = tuple(TimedNote(*note) for note in sorted(notes + bass))
            channel = channels[len(tracks) % len(channels)]
            tracks.append(Track("Chords", channel, ((0, 24),), timed))
    if swing is not None:
        tracks = [_swung(track, first.bars, divisions, swing) for track in tracks]
    tempo = tune.tempo.qpm if tune.tempo is not None else None
    tempos = {0: tempo or DEFAULT_QPM}
    for player in players:
        tempos.update(player.tempos)
    return Performance(
        tune.title,
        divisions,
        tuple(tracks),
        tuple(sorted(tempos.items())),
        tuple(sorted({0: tune.meter, **first.meters}.items())),
        tuple(sorted({0: tune.key, **first.keys}.items())),
        max(player.time for player in players),
    )


def _divisions(tune: Tune) -> int:
    """A number that every duration of the tune, in whole notes, gives a whole number times."""
    denominators = {8}
    for voice in tune.voices:
        for bar in voice.bars:
            for layer in (bar.items, *bar.overlays):
                for item in layer:
                    if isinstance(item, Note | Rest):
                        denominators.add(item.duration.denominator)
                    elif isinstance(item, Chord):
                        denominators.update(note.duration.denominator for note in item.notes)
    # Grace notes, staccato and accompaniment divide a duration further.
    return lcm(*denominators) * 960


class _Player:
    """Plays one voice, bar after bar."""

    def __init__(self, tune: Tune, voice: Voice, divisions: int, graces: bool) -> None:
        self.voice = voice
        self.divisions = divisions
        self.graces = graces
        self.order = unfold(voice.bars, tune.parts)
        self.time = 0
        self.notes: list[TimedNote] = []
        self.tempos: dict[int, Fraction] = {}
        self.meters: dict[int, Meter] = {}
        self.keys: dict[int, Key] = {}
        self.symbols: list[tuple[int, str]] = []
        self.bars: list[tuple[int, int, Meter]] = []
        self.programs: dict[int, int] = {}
        self.lyrics: list[tuple[int, str]] = []
        self.channel: int | None = None
        self.meter = tune.meter
        self._velocity = _DEFAULT_VELOCITY
        self._transpose = 0
        self._clef = _clef_semitones(voice.clef)
        self._tied: dict[int, int] = {}
        # By identity: hashing a Fraction costs more than all else here, and the tune, which
        # shares few of them among its notes, keeps them alive.
        self._lengths: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        for directive in tune.directives:
            self._direct(directive)

    def track(self, channel: int) -> Track:
        """What was played."""
        return Track(
            self.voice.name,
            channel if self.channel is None else self.channel,
            tuple(sorted(self.programs.items())),
            tuple(note for note in self.notes if 0 <= note.pitch <= 127 and note.duration > 0),
            tuple(self.lyrics),
        )

    def play(self) -> None:
        """Play every bar in order."""
        bars = self.voice.bars
        for index in self.order:
            self._bar(bars[index])

    def _bar(self, bar: Bar) -> None:
        start = self.time
        self._layer(bar.items)
        end = self.time
        self.bars.append((start, end, self.meter))
        if bar.overlays:
            tied = self._tied
            for layer in bar.overlays:
                self.time, self._tied = start, {}
                self._layer(layer)
            self.time, self._tied = end, tied

    def _layer(self, items: tuple[Item, ...]) -> None:
        lengths, numbers = self._lengths, self._numbers
        for item in items:
            if isinstance(item, Note):
                pitch, _, duration, tie, _, _, attached = item
                length = lengths.get(id(duration))
                if length is None:
                    length = self._length(duration)
                if attached is PLAIN and not tie and not self._tied:
                    number = numbers.get(id(pitch))
                    if number is None:
                        number = numbers[id(pitch)] = pitch.midi
                    number += self._clef + self._transpose
                    self.notes.append(TimedNote(self.time, length, number, self._velocity))
                    self.time += length
                else:
                    self._sound((item,), length, attached)
            elif isinstance(item, Chord):
                self._sound(item.notes, self._length(item.duration), item.attached)
            elif isinstance(item, Rest):
                self._attached(item.attached)
                self._tied = {}
                self.time += self._length(item.duration)
            elif isinstance(item, Spacer):
                self._attached(item.attached)
            else:
                self._change(item)

    def _length(self, duration: Fraction) -> int:
        length = self._lengths.get(id(duration))
        if length is None:
            length = duration.numerator * self.divisions // duration.denominator
            self._lengths[id(duration)] = length
        return length

    def _attached(self, attached: Attached) -> None:
        for name in attached.decorations:
            self._velocity = _VELOCITIES.get(name, self._velocity)
        for symbol in attached.chord_symbols:
            self.symbols.append((self.time, symbol))

    def _sound(self, heads: tuple[Note, ...], length: int, attached: Attached) -> None:
        """Play a note or chord: ties, grace notes, accent and staccato."""
        self._attached(attached)
        lyric = next((each for each in attached.lyrics if each.verse == 1 and each.text), None)
        if lyric is not None:
            self.lyrics.append((self.time, lyric.text + ("" if lyric.hyphen else " ")))
        shift = self._clef + self._transpose
        velocity = self._velocity
        if not _ACCENTS.isdisjoint(attached.decorations):
            velocity = min(127, velocity + 15)
        delay = 0
        if self.graces and attached.graces is not None and not self._tied:
            delay = self._grace(attached, length, shift, velocity)
        tied: dict[int, int] = {}
        for head in heads:
            sounding = head.pitch.midi + shift
            duration = self._length(head.duration)
            index = self._tied.get(sounding)
            if index is not None:
                before = self.notes[index]
                self.notes[index] = before._replace(duration=before.duration + duration)
            else:
                index = len(self.notes)
                self.notes.append(
                    TimedNote(self.time + delay, duration - delay, sounding, velocity)
                )
                if "staccato" in attached.decorations and not head.tie:
                    self.notes[index] = self.notes[index]._replace(duration=(duration - delay) // 2)
            if head.tie:
                tied[sounding] = index
        self._tied = tied
        self.time += length

    def _grace(self, attached: Attached, length: int, shift: int, velocity: int) -> int:
        """Play grace notes from the note's onset; the time they take, at most half of it."""
        if attached.graces is None:
            return 0
        events = attached.graces.notes
        each = min(self.divisions // (64 if attached.graces.slashed else 32),
                   length // (2 * len(events)))  # fmt: skip
        for index, event in enumerate(events):
            for head in event.notes if isinstance(event, Chord) else (event,):
                self.notes.append(
                    TimedNote(self.time + index * each, each, head.pitch.midi + shift, velocity)
                )
        return each * len(events)

    def _change(self, item: Item) -> None:
        if isinstance(item, TempoChange):
            if item.tempo.qpm is not None:
                self.tempos[self.time] = item.tempo.qpm
        elif isinstance(item, MeterChange):
            self.meter = item.meter
            self.meters[self.time] = item.meter
        elif isinstance(item, KeyChange):
            if item.key is not None:
                self.keys[self.time] = item.key
            if item.clef is not None:
                self._clef = _clef_semitones(item.clef)
        elif isinstance(item, Directive):
            self._direct(item)

    def _direct(self, directive: Directive) -> None:
        """Follow a ``MIDI`` directive: program, channel, transpose, rtranspose."""
        words = directive.text.split()
        if len(words) < 3 or words[0] != "MIDI":
            return
        numbers = [int(word) for word in words[2:4] if word.lstrip("-").isdigit() and len(word) < 5]
        if not numbers:
            return
        if words[1] == "program" and 0 <= numbers[-1] <= 127:
            self.programs[self.time] = numbers[-1]
        elif words[1] == "channel" and 1 <= numbers[0] <= 16:
            self.channel = numbers[0] - 1
        elif words[1] == "transpose":
            self._transpose = numbers[0]
        elif words[1] == "rtranspose":
            self._transpose += numbers[0]


def _clef_semitones(clef: Clef) -> int:
    """How far a clef's voice sounds from what is written; ``octave=`` is in the score already."""
    for mark, semitones in (("+15", 24), ("-15", -24), ("+8", 12), ("-8", -12)):
        if clef.name.endswith(mark):
            return semitones + clef.transpose
    return clef.transpose


def _swung(
    track: Track, bars: list[tuple[int, int, Meter]], divisions: int, swing: Fraction
) -> Track:
    """A track whose pairs of eighths are uneven, beat by beat from each bar's beginning."""
    beat = divisions // 4
    long = beat * swing.numerator // (swing.numerator + swing.denominator)

    def warped(time: int, start: int) -> int:
        whole, part = divmod(time - start, beat)
        if part <= beat // 2:
            part = part * 2 * long // beat
        else:
            part = long + (part - beat // 2) * 2 * (beat - long) // beat
        return start + whole * beat + part

    notes = []
    index = 0
    origin = 0
    for note in track.notes:
        while index < len(bars) and bars[index][1] <= note.onset:
            index += 1
        if index < len(bars):
            start, end, meter = bars[index]
            # An upbeat is counted from its end, where the beat falls.
            origin = end if end - start < beat * 2 else start
            if meter.compound or meter.unit > 4:
                notes.append(note)
                continue
        onset = warped(note.onset, origin)
        end_time = warped(note.onset + note.duration, origin)
        notes.append(note._replace(onset=onset, duration=max(1, end_time - onset)))
    return Track(track.name, track.channel, track.programs, tuple(notes), track.lyrics)
