"""One voice as sound: its bars in the order they are played, note by note.

Ties merge, grace notes take time from the note they adorn, and decorations, clefs and ``%%MIDI``
directives change what sounds. Times are whole numbers, see ``performance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias

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
    Tempo,
    TempoChange,
    Tune,
    Voice,
)

__all__ = ["DEFAULT_QPM", "TimedNote", "VoicePlayer"]

DEFAULT_QPM = Fraction(120)

_State: TypeAlias = tuple[Meter, Key, Clef, Tempo | None]

_VELOCITIES = {
    "pppp": 20, "ppp": 30, "pp": 42, "p": 54, "mp": 66, "mf": 80, "f": 94, "ff": 108, "fff": 120,
    "ffff": 127, "sfz": 112,
}  # fmt: skip
_DEFAULT_VELOCITY = 80
_ACCENTS = frozenset({"accent", ">", "emphasis", "marcato", "^", "sfz"})


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


class VoicePlayer:
    """Plays one voice, bar after bar.

    Attributes:
        time: where it is, in divisions.
        notes: in the order they begin.
        tempos, meters, keys, programs: what changed, by its time.
        symbols: chord symbols and their times; lyrics: syllables of the first verse.
        bars: beginning, end and metre of each bar played.
        channel: MIDI channel, 0 to 15, where a directive sets it.
    """

    def __init__(self, tune: Tune, voice: Voice, divisions: int, graces: bool) -> None:
        self.voice = voice
        self.divisions = divisions
        self.graces = graces
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
        self._tune = tune
        self._changed = False
        self._states: list[_State] = []
        self._velocity = _DEFAULT_VELOCITY
        self._transpose = 0
        self._clef = _clef_semitones(voice.clef)
        self._tied: dict[int, int] = {}
        self._over: dict[int, dict[int, int]] = {}  # what each layer over the bar before ties
        # By identity: hashing a Fraction costs more than all else here, and the tune, which
        # shares few of them among its notes, keeps them alive.
        self._lengths: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        for directive in tune.directives:
            self._direct(directive)

    def play(self, order: Iterable[int]) -> None:
        """Play bars, by their indices."""
        bars = self.voice.bars
        before = -1
        for index in order:
            if index <= before and self._changed:
                self._restore(index)
            before = index
            self._bar(bars[index])

    def _restore(self, index: int) -> None:
        """Going back, take up what is in force at a bar: metre, key, clef and tempo."""
        if not self._states:
            self._states = list(_states(self._tune, self.voice))
        meter, key, clef, tempo = self._states[index]
        self._clef = _clef_semitones(clef)
        if self.meter != meter:
            self.meter = self.meters[self.time] = meter
        if self.keys and next(reversed(self.keys.values())) != key:
            self.keys[self.time] = key
        qpm = (tempo and tempo.qpm) or DEFAULT_QPM
        if self.tempos and next(reversed(self.tempos.values())) != qpm:
            self.tempos[self.time] = qpm

    def _bar(self, bar: Bar) -> None:
        start = self.time
        self._layer(bar.items)
        end = self.time
        self.bars.append((start, end, self.meter))
        if bar.overlays or self._over:
            tied, over = self._tied, self._over
            self._over = {}
            for number, layer in enumerate(bar.overlays):
                self.time, self._tied = start, over.get(number, {})
                self._layer(layer)
                self._over[number] = self._tied
            self.time, self._tied = end, tied

    def _layer(self, items: tuple[Item, ...]) -> None:
        lengths, numbers = self._lengths, self._numbers
        new, append = (
            tuple.__new__,
            self.notes.append,
        )  # a named tuple's own way takes twice as long
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
                    append(new(TimedNote, (self.time, length, number, self._velocity)))
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
        if attached is not PLAIN:
            self._attached(attached)
        decorations = attached.decorations
        if attached.lyrics:
            lyric = next((each for each in attached.lyrics if each.verse == 1 and each.text), None)
            if lyric is not None:
                self.lyrics.append((self.time, lyric.text + ("" if lyric.hyphen else " ")))
        shift = self._clef + self._transpose
        velocity = self._velocity
        if decorations and not _ACCENTS.isdisjoint(decorations):
            velocity = min(127, velocity + 15)
        delay = 0
        if self.graces and attached.graces is not None and not self._tied:
            delay = self._grace(attached, length, shift, velocity)
        staccato = "staccato" in decorations
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
                sounds = duration - delay
                if staccato and not head.tie:
                    sounds //= 2
                self.notes.append(TimedNote(self.time + delay, sounds, sounding, velocity))
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
                self._changed = True
        elif isinstance(item, MeterChange):
            self.meter = item.meter
            self.meters[self.time] = item.meter
            self._changed = True
        elif isinstance(item, KeyChange):
            if item.key is not None:
                self.keys[self.time] = item.key
            if item.clef is not None:
                self._clef = _clef_semitones(item.clef)
            self._changed = True
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


def _states(tune: Tune, voice: Voice) -> Iterator[_State]:
    """What is in force at the beginning of each bar of a voice as it stands."""
    meter, key, clef, tempo = tune.meter, tune.key, voice.clef, tune.tempo
    for bar in voice.bars:
        yield meter, key, clef, tempo
        for item in bar.items:
            if isinstance(item, MeterChange):
                meter = item.meter
            elif isinstance(item, KeyChange):
                key, clef = item.key or key, item.clef or clef
            elif isinstance(item, TempoChange) and item.tempo.qpm is not None:
                tempo = item.tempo


def _clef_semitones(clef: Clef) -> int:
    """How far a clef's voice sounds from what is written; ``octave=`` is in the score already."""
    for mark, semitones in (("+15", 24), ("-15", -24), ("+8", 12), ("-8", -12)):
        if clef.name.endswith(mark):
            return semitones + clef.transpose
    return clef.transpose
