"""Which word may follow which, so that every sequence is a piece and every piece one sequence.

What comes of a valid sequence is the same when it is written as MIDI and read back, word for word:
positions, and pitches within one, ascend; what does not change is not said again; a piece ends with
a note.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from seqgen.music.remi.words import DRUMS, TEMPOS, VALUES, Event, Kind, bar_positions

__all__ = ["MAX_PROGRAMS", "START", "State", "advance", "choices", "follow", "least"]

MAX_PROGRAMS = 15
"""Programs beside the drums: MIDI has sixteen channels."""

_NONE = -2  # no program yet


class Sounding(NamedTuple):
    """A note that has begun: its program, its pitch, and the position where it ends."""

    program: int
    pitch: int
    end: int


class State(NamedTuple):
    """Where a sequence stands.

    Args:
        last: kind of the last word; None before the first.
        bar: where the bar begins, in positions from the beginning; length: of the bar.
        position: in the bar; -1 before its first.
        tempo: quarter notes a minute; 0 before the first.
        program: of the notes that come; programs: of all so far, drums left out.
        pitch: of the last note at this position and of this program; -1 if there is none.
        velocity: of the last note.
        moved: whether a note has begun at this position.
        sounding: notes that end after this position.
    """

    last: Kind | None = None
    bar: int = 0
    length: int = 0
    position: int = -1
    tempo: int = 0
    program: int = _NONE
    programs: frozenset[int] = frozenset()
    pitch: int = -1
    velocity: int = 0
    moved: bool = False
    sounding: tuple[Sounding, ...] = ()

    @property
    def now(self) -> int:
        """Positions from the beginning."""
        return self.bar + self.position

    @property
    def final(self) -> bool:
        """Whether the piece may end here."""
        return self.last == "Duration"


START = State()


def choices(state: State) -> dict[Kind, Collection[int]]:
    """The words that may come next, as values by kind; never none.

    Beside them the piece may end where ``state.final`` says so.
    """
    found: dict[Kind, Collection[int]] = {}
    match state.last:
        case None:
            found["Bar"] = VALUES["Bar"]
        case "Bar":
            found["TimeSig"] = VALUES["TimeSig"]
        case "TimeSig":
            _pass_on(state, found)
        case "Position":
            if state.tempo:
                _notes(state, found)
            found["Tempo"] = [tempo for tempo in TEMPOS if tempo != state.tempo]
        case "Tempo" | "Duration":
            _notes(state, found)
            _pass_on(state, found)
        case "Program":
            _pitches(state, found)
        case "Pitch" | "PitchDrum":
            found["Velocity"] = VALUES["Velocity"]
        case "Velocity":
            found["Duration"] = VALUES["Duration"]
    return found


def _pass_on(state: State, found: dict[Kind, Collection[int]]) -> None:
    """To a later position, or another bar."""
    if not state.tempo:  # the first is said at once
        found["Position"] = (0,)
        return
    if state.position + 1 < state.length:
        found["Position"] = range(state.position + 1, state.length)
    found["Bar"] = VALUES["Bar"]


def _notes(state: State, found: dict[Kind, Collection[int]]) -> None:
    """Another note at this position; programs ascend there."""
    if state.program != _NONE:
        _pitches(state, found)
    lowest = state.program if state.moved else _NONE
    known = len(state.programs) == MAX_PROGRAMS
    silenced = _silenced(state)
    found["Program"] = [
        program
        for program in VALUES["Program"]
        if program > lowest
        and program != state.program
        and not (known and program not in state.programs and program != DRUMS)
        and program not in silenced
    ]
    if not found["Program"]:
        del found["Program"]


def _pitches(state: State, found: dict[Kind, Collection[int]]) -> None:
    kind: Kind = "PitchDrum" if state.program == DRUMS else "Pitch"
    sounding = {each.pitch for each in state.sounding if each.program == state.program}
    free = [pitch for pitch in range(state.pitch + 1, 128) if pitch not in sounding]
    if free:
        found[kind] = free


def _silenced(state: State) -> set[int]:
    """Programs all of whose pitches sound."""
    if len(state.sounding) < 128:
        return set()
    programs = [each.program for each in state.sounding]
    return {program for program in set(programs) if programs.count(program) == 128}


def advance(state: State, event: Event) -> State | None:
    """The state after a word; None if it may not come."""
    known = event.value in choices(state).get(event.kind, ())
    return follow(state, event) if known else None


def follow(state: State, event: Event) -> State:
    """The state after a word that may come."""
    kind, value = event
    match kind:
        case "Bar":
            bar = state.bar + state.length
            return state._replace(last=kind, bar=bar, length=0, position=-1)
        case "TimeSig":
            return state._replace(last=kind, length=bar_positions(value))
        case "Position":
            now = state.bar + value
            sounding = tuple(each for each in state.sounding if each.end > now)
            return state._replace(
                last=kind, position=value, pitch=-1, moved=False, sounding=sounding
            )
        case "Tempo":
            return state._replace(last=kind, tempo=value)
        case "Program":
            programs = state.programs if value == DRUMS else state.programs | {value}
            return state._replace(last=kind, program=value, programs=programs, pitch=-1)
        case "Velocity":
            return state._replace(last=kind, velocity=value)
        case "Duration":
            begun = Sounding(state.program, state.pitch, state.now + value)
            return state._replace(last=kind, sounding=(*state.sounding, begun))
    return state._replace(last=kind, pitch=value, moved=True)


_TO_GO: dict[Kind | None, int] = {"Bar": 2, "TimeSig": 1, None: 3}


def least(state: State) -> int:
    """Words that the piece can be finished with from here, at most; 0 where it may end."""
    match state.last:
        case "Duration":
            return 0
        case "Velocity":
            return 1
        case "Pitch" | "PitchDrum":
            return 2
        case "Program":
            return 3
    program = "Pitch" not in (now := choices(state)) and "PitchDrum" not in now
    if state.last in _TO_GO:
        # By then fewer notes sound, so a pitch that is free now still is.
        found: dict[Kind, Collection[int]] = {}
        if state.program != _NONE:
            _pitches(state._replace(pitch=-1), found)
        program = not found
    return _TO_GO.get(state.last, 0) + (not state.tempo) + program + 3
