"""The way from any state to the end of a valid tune that this finds shortest.

It is short, not always the shortest: what the decoder needs is a length that can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seqgen.music.abc.grammar.bars import EXTENSIONS
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.music.abc.grammar.field_values import METERS, READ_FIELDS, UNITS, completion
from seqgen.music.abc.grammar.notes import fill_tuplet, unmet
from seqgen.music.abc.grammar.recogniser import Grammar
from seqgen.music.abc.grammar.state import Header, Music, Spelling, State
from seqgen.music.abc.grammar.texts import CHORD_TYPES, DECORATION_NAMES

__all__ = ["Finisher", "lacking"]

_FINAL_LINES = ("||", "|]", ":|")
# In the order in which they lead out of a tune; an ending's number is tried where one is due.
_LINES = (":|", ":|2", "|", "||", "|:", "|1")
_MARKS = ("", ",", "'", ",,", "''", ",,,", "'''")
_MAX_TEXTS = 1 << 14


class Finisher:
    """Finds how a tune can end.

    Args:
        grammar: with the alphabet that the texts are written in.
    """

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        pitches = [
            accidental + letter + marks
            for marks in _MARKS for accidental in ("", "=", "^", "_") for letter in "GABcdefgCDEFab"
        ]  # fmt: skip
        self._pitches = [each for each in pitches if self._has(each)]
        self._pitches.sort(key=len)

    def _has(self, text: str) -> bool:
        alphabet = self._grammar.alphabet
        return alphabet is None or alphabet.issuperset(text)

    def text(self, state: State) -> str | None:
        """What to write from here to the tune's end; None if the alphabet does not suffice."""
        written: list[str] = []
        for _ in range(_MAX_TEXTS):
            if self._grammar.is_final(state):
                return "".join(written)
            found = next(self._next(state), None)
            if found is None:
                return None
            text, state = found
            written.append(text)
        return None

    def _next(self, state: State) -> Iterator[tuple[str, State]]:
        """The next texts that can be written, the best first, each with the state after it."""
        texts = self._header(state) if isinstance(state, Header) else self._music(state)
        for text in texts:
            if text and self._has(text):
                after = self._grammar.read(state, text)
                if after is not None and self._settles(after, text):
                    yield text, after

    def _settles(self, state: State, text: str) -> bool:
        """Whether a text that ends in a note or bar line makes it complete."""
        if not isinstance(state, Music) or text[-1] in '!"\n:^_=]':
            return True
        return self._grammar.music.settle(state) is not None

    # -- header

    def _header(self, state: Header) -> Iterable[str]:
        forced = self._grammar.forced
        if state.place == "line":
            needed = [field for field in "XTRML" if field in "XT" or field in forced]
            return [next((field for field in needed if field not in state.seen), "K")]
        if state.place == "colon":
            return [":"]
        if state.place == "value" and (state.field in READ_FIELDS or state.field in forced):
            value = forced.get(state.field, "")
            ending = completion(state.field, value, state.text, self._grammar.alphabet)
            return [f"{ending}\n"] if ending is not None else []
        # A backslash waits for a character that is no line end.
        return ["\n", ":\n", "X\n"]

    # -- music

    def _music(self, state: Music) -> Iterable[str]:
        place = state.place
        unfinished = place in ("first note", "note", "length")
        if unfinished and self._grammar.music.settle(state) is None:
            return self._lengths(state)
        if place == "bracket" and state.due:
            return "123456789"
        if place == "letter":
            return [*self._notes(state), ":"]
        if place == "bracket":
            return [*self._notes(state), "|]", "|"]
        if place in ("accidental", "dot", "paren", "letter"):
            return self._notes(state)
        if place == "colon":
            return [":"]
        if place == "value":
            return self._value(state)
        if place == "quote":
            return [f'{tail}"' for tail in ("", "^", "G", "A", "C", "F", "1", *_tails(state.text))]
        if place == "bang":
            names = sorted(DECORATION_NAMES, key=len)
            return [
                "\n",
                *(f"{each[len(state.text) :]}!" for each in names if each.startswith(state.text)),
            ]
        if place in ("line end", "comment", "percent", "backslash"):
            return ["\n"]
        settled = self._grammar.music.settle(state)
        if place in ("first note", "after first") and settled is not None:
            # A colon would make a field of the line.
            return [*self._between(settled), "\n", "1", *self._notes(settled)]
        if settled is None and place == "bar":
            return [each[len(state.text) :] for each in EXTENSIONS[state.text]]
        return self._between(settled) if settled is not None else ()

    def _value(self, state: Music) -> list[str]:
        close = "]" if state.inside else "\n"
        if state.field == "P":
            return [close, *(letter + close for letter in "ABCDEFGXTKML")]
        if state.field in "LM":  # not all of them leave notes that fill the bar
            values = UNITS if state.field == "L" else METERS
            begun = [each for each in values if each.startswith(state.text)]
            return [each[len(state.text) :] + close for each in sorted(begun, key=len)]
        ending = completion(state.field, "", state.text, self._grammar.alphabet)
        return [ending + close] if ending is not None else []

    def _lengths(self, state: Music) -> Iterator[str]:
        """How a pitch or length that has begun can become complete."""
        lengths = self._grammar.notes.lengths(state.setting)
        begun = state.text if state.place == "length" else ""
        texts = [each[len(begun) :] for each in lengths.cheapest.values() if each.startswith(begun)]
        texts += [each[len(begun) :] for each in lengths.reachable if each.startswith(begun)]
        texts.sort(key=len)
        for marks in ("",) if state.place == "length" else _MARKS:
            for text in texts:
                yield marks + text

    def _between(self, music: Music) -> Iterable[str]:
        if music.place == "chord":
            missing = unmet(music)
            length = self._length_of(music, music.inner)
            return [_spell(missing[0]) + length] if missing else ["]"]
        if music.place == "graces":
            return ["}", *(f"{each}}}" for each in self._pitches)]
        if music.broken or music.tuplet or music.waiting:
            return self._notes(music)
        if music.slurs and music.after:
            return [")"]
        if music.line:
            return [
                *self._notes(music),
                "|:",
                "|1",
                "|2",
                "[1",
                "[2",
                *(f"[{n}" for n in range(3, 10)),
            ]
        lines = [
            each for each in _FINAL_LINES
            if (after := self._grammar.music.bars.line(music, each)) is not None and after.closed
        ]  # fmt: skip
        if lines:
            return lines
        if self._grammar.notes.room(music) and (music.setting.full or music.tied):
            return self._notes(music)
        return _LINES

    def _length_of(self, music: Music, steps: int) -> str:
        return self._grammar.notes.lengths(music.setting).cheapest.get(steps, "")

    def _notes(self, music: Music) -> Iterator[str]:
        """A note that may come next, the length of which leads on."""
        notes, setting = self._grammar.notes, music.setting
        lengths = notes.lengths(setting)
        length = ""
        if music.inside == "[":
            # The first is one unit long; the chord's own length can follow it.
            length = self._length_of(music, music.inner) if music.inner else ""
        elif music.broken:
            length = self._length_of(music, music.broken)
        elif music.tuplet is not None:
            room = notes.room(music)
            filled = fill_tuplet(lengths, music.tuplet, room)
            length = self._length_of(music, filled[0]) if filled else ""
        elif music.inside == "{":
            length = ""
        elif music.graces:
            hosts = [each for each in lengths.cheapest.items() if notes.fits(music, each[0])]
            length = min((text for _, text in hosts), key=len, default="")
        elif setting.full:
            texts = lengths.fill(notes.room(music))
            length = texts[0] if texts else ""
        if music.tied:
            missing = unmet(music) if music.inside else music.tied
            together = "".join(map(_spell, missing))
            if music.place == "bracket":
                yield f"{together}]{length}"
            elif not music.inside and len(missing) > 1:
                yield f"[{together}]{length}"
            for tied in missing:
                # Where its accidental has been written, the letter is still to come.
                yield _spell(tied) + length
        if music.place == "paren":
            yield from "2346"
        for each in self._pitches:
            yield each + (f"]{length}" if music.place == "bracket" else length)


def lacking(conditions: Conditions, heading: str, alphabet: frozenset[str]) -> list[str]:
    """Characters that an alphabet lacks, with which a tune could be written; none can be spared.

    Args:
        conditions: on the tune.
        heading: what it begins with already.
    """

    def ending(known: frozenset[str] | None) -> str | None:
        grammar = Grammar(conditions, known, plain=True)
        state = grammar.read(grammar.start(), heading)
        return None if state is None else Finisher(grammar).text(state)

    found = set(ending(None) or "") - alphabet
    for character in sorted(found):
        if ending(alphabet | found - {character}) is not None:
            found.remove(character)
    return sorted(found)


def _tails(text: str) -> list[str]:
    """How chord symbols that begin so may end."""
    cuts = ((each, end) for each in CHORD_TYPES for end in range(1, len(each)))
    return [each[end:] for each, end in cuts if text.endswith(each[:end])]


def _spell(spelling: Spelling) -> str:
    letter, octave, _ = spelling
    if octave >= 5:
        return letter.lower() + "'" * (octave - 5)
    return letter + "," * (4 - octave)
