"""Why a character can't stand where it does, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.music.abc.grammar.field_values import READ_FIELDS
from seqgen.music.abc.grammar.state import Header, Music, State

if TYPE_CHECKING:
    from seqgen.music.abc.grammar.recogniser import Grammar

__all__ = ["reason"]

_BAR_MARKS = "|:["


def reason(grammar: Grammar, state: State, character: str) -> str:
    """The end of a sentence that says what is wrong with ``character`` at ``state``."""
    shown = "the line's end" if character == "\n" else f"'{character}'"
    if isinstance(state, Header):
        return _in_header(grammar, state, character, shown)
    settled = grammar.music.settle(state)
    if settled is None:
        return _unsettled(state, shown)
    return _in_music(grammar, settled, character, shown)


def _in_header(grammar: Grammar, state: Header, character: str, shown: str) -> str:
    if state.place in ("line", "colon"):
        if not state.seen:
            return "a tune begins with X: and a number"
        if state.seen == "X":
            return "T:, the title, must follow X:"
        missing = [field for field in grammar.forced if field not in state.seen and field != "K"]
        if character == "K" and missing:
            return (
                f"K: ends the header, and {missing[0]}:{grammar.forced[missing[0]]} was asked for"
            )
        return f"{shown} begins no field that may stand here"
    forced = grammar.forced.get(state.field)
    if forced:
        return f"{state.field}:{forced} was asked for"
    if state.field in READ_FIELDS:
        return f"'{state.text}{character.strip()}' is no value of {state.field}:"
    return f"{shown} can't stand in a header"


def _unsettled(state: Music, shown: str) -> str:
    if state.place == "bar":
        return f"the bar line {state.text} can't stand there"
    if state.place in ("first note", "note") and state.tied:
        return "a tie must lead to a note of the same pitch"
    if state.place in ("first note", "note", "length"):
        if state.broken:
            return "broken rhythm joins two notes of equal length"
        if state.tuplet:
            return "this note leaves no time for the rest of its tuplet"
        return "this note is longer than the rest of its bar, or outside the range"
    return f"{shown} can't stand there"


def _in_music(grammar: Grammar, music: Music, character: str, shown: str) -> str:
    if music.place in ("value", "colon"):
        return f"'{music.text}{character.strip()}' is no value of {music.field}:"
    if music.place == "quote":
        return "quotes hold a chord symbol, a fingering, or a text that begins with ^ _ < > or @"
    if music.place in ("line", "indent") and character == "\n":
        return "an empty line ends a tune"
    if music.inside == "[":
        return f"{shown} can't stand in a chord"
    if music.inside == "{":
        return f"{shown} can't stand among grace notes"
    if music.broken or music.waiting:
        return "a note must come first"
    if music.tuplet:
        return f"this tuplet lacks {music.tuplet.left} of its notes"
    if music.due:
        return f"ending {music.ending + 1} must begin here"
    if character in _BAR_MARKS or character == "|":
        return _bar_line(grammar, music, shown)
    room = grammar.notes.room(music)
    if music.setting.full and room <= 0:
        return f"the bar is full, so a bar line must come before {shown}"
    if music.bars == 0:
        return "the tune has all the bars that were asked for"
    return f"{shown} can't stand there"


def _bar_line(grammar: Grammar, music: Music, shown: str) -> str:
    room = grammar.notes.room(music)
    if music.setting.full and room > 0 and not music.line:
        lacking = room / music.setting.unit
        return f"this bar lacks {lacking:g} unit note lengths before {shown}"
    return f"a bar line with {shown} can't stand there"
