"""A score as sound: which pitch begins when, for how long, on which track.

Repeats, endings, jumps (D.C., D.S.) and the order of parts are played out, ties merged, grace notes
given time from the note they adorn. Times are whole numbers of a fraction of a whole note that
divides every duration of the tune, so nothing is rounded; ``midi`` and ``audio`` round at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import compress
from math import lcm

from seqgen.music.accompaniment import accompany
from seqgen.music.jumps import play_order, route, together
from seqgen.music.playing import DEFAULT_QPM, TimedNote, VoicePlayer
from seqgen.music.score import Chord, Key, Meter, Note, Rest, Tune
from seqgen.music.swing import swung

__all__ = ["DRUM_CHANNEL", "Performance", "Track", "perform"]

DRUM_CHANNEL = 9
"""General MIDI's percussion channel, counted from 0."""

_NOTE_OR_REST = (Note, Rest)


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
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    players, tracks = [], []
    for index, (voice, order) in enumerate(zip(tune.voices, _orders(tune), strict=True)):
        player = VoicePlayer(tune, voice, divisions, graces)
        player.play(order)
        players.append(player)
        tracks.append(_track(player, channels[index % len(channels)]))
    first = players[0]
    if chords:
        notes, bass = accompany(first.symbols, first.bars, divisions)
        if notes:
            timed = tuple(TimedNote(*note) for note in sorted(notes + bass))
            channel = channels[len(tracks) % len(channels)]
            tracks.append(Track("Chords", channel, ((0, 24),), timed))
    if swing is not None:
        tracks = [
            replace(track, notes=swung(track.notes, first.bars, divisions, swing))
            for track in tracks
        ]
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


def _orders(tune: Tune) -> list[list[int]]:
    """The order of each voice's bars.

    D.C. and its like are often written in one voice only: they hold for every voice with as many
    bars as the first voice that has one.
    """
    routes = [route(voice.bars) for voice in tune.voices]
    length = next(
        (len(voice.bars) for voice, each in zip(tune.voices, routes, strict=True) if each.jumps), 0
    )
    if length and len(routes) > 1:
        alike = [len(voice.bars) == length for voice in tune.voices]
        joint = together(list(compress(routes, alike)))
        routes = [joint if same else own for same, own in zip(alike, routes, strict=True)]
    return [
        play_order(voice.bars, tune.parts, each)
        for voice, each in zip(tune.voices, routes, strict=True)
    ]


def _track(player: VoicePlayer, channel: int) -> Track:
    """What a voice played; notes that MIDI does not have are left out."""
    return Track(
        player.voice.name,
        channel if player.channel is None else player.channel,
        tuple(sorted(player.programs.items())),
        # By pitch and duration.
        tuple([note for note in player.notes if 0 <= note[2] <= 127 and note[1] > 0]),
        tuple(player.lyrics),
    )


def _divisions(tune: Tune) -> int:
    """A number that every duration of the tune, in whole notes, gives a whole number times."""
    # By identity, since hashing a Fraction is slow and notes share them.
    durations: dict[int, Fraction] = {}
    for voice in tune.voices:
        for bar in voice.bars:
            for layer in (bar.items, *bar.overlays):
                for item in layer:
                    if isinstance(item, _NOTE_OR_REST):
                        durations[id(item.duration)] = item.duration
                    elif isinstance(item, Chord):
                        durations.update((id(note.duration), note.duration) for note in item.notes)
    # Grace notes, staccato and accompaniment divide a duration further.
    return lcm(8, *{duration.denominator for duration in durations.values()}) * 960
