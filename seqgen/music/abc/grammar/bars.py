"""Bar lines: which may stand where, and what each does (ABC 2.1, sections 4.8 to 4.10).

A section lies between repeats, double bars and the tune's ends. Its first bar may be an upbeat. Its
last bar is full, or completes the latest upbeat, or is itself completed by the first bar of the
next section, as where a double bar divides a bar. All other bars, those at endings too, are full.
"""

from __future__ import annotations

from functools import cache

from seqgen.music.abc.bar_lines import parse_bar_line
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.music.abc.grammar.lengths import WHOLE
from seqgen.music.abc.grammar.state import Music, Setting

__all__ = ["EXTENSIONS", "INVISIBLE", "BarRules", "accompanied"]

_MARKS = (
    "|", "||", "|]", "[|", "[|]", "|:", "[|:", "||:", ":|", ":||", ":|]", "::", ":|:", ":||:",
)  # fmt: skip
_ENDED = ("|", "||", ":|", ":||")
_RARE = ("||:", "[|:")  # some programs read no repeat in them
INVISIBLE = "[|]"  # means nothing to the music
MAX_ENDING = 9
_TEXTS = (
    *_MARKS,
    *(f"{mark}{number}" for mark in _ENDED for number in range(1, MAX_ENDING + 1)),
    *(f"[{number}" for number in range(1, MAX_ENDING + 1)),
)


def _extensions() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in _TEXTS:
        for end in range(1, len(text) + 1):
            found[text[:end]] = (*found.get(text[:end], ()), text)
    return found


EXTENSIONS = _extensions()
"""The bar lines that each beginning of one can become."""


@cache
def _read(text: str) -> tuple[bool, bool, bool, int]:
    """Whether a bar line ends a section, closes and opens a repeat, and its ending's number."""
    if text[0] == "[" and text[1:].isdigit():
        return False, False, False, int(text[1:])
    line, passes, _ = parse_bar_line(text)
    return line.style != "thin", line.closes > 0, line.opens > 0, passes[0] if passes else 0


def accompanied(setting: Setting, pickup: int) -> bool:
    """Whether a tune with chord symbols may have such an upbeat, in steps.

    Its last bar ends that much early: abc2midi's accompaniment, which moves in eighths, or in five
    and seven quarters in quarters, would sound on.
    """
    beat = WHOLE // 4 if setting.full in (5 * WHOLE // 4, 7 * WHOLE // 4) else WHOLE // 8
    return pickup % beat == 0


class BarRules:
    """Which bar lines may stand where.

    Args:
        conditions: what is asked of the sections.
        plain: without bars that a section's edge or the endings divide.
    """

    def __init__(self, conditions: Conditions, plain: bool) -> None:
        self._plain = plain
        self._sections = conditions.sections
        self._section_bars = conditions.section_bars

    def line(self, music: Music, text: str) -> Music | None:
        """The place after a bar line or ending mark."""
        if self._plain and text in _RARE:
            return None
        if text not in _TEXTS or music.tuplet or music.broken or music.inside or music.waiting:
            return None
        if text == INVISIBLE:
            return None if self._plain else music._replace(place="gap", text="")
        ends, closes, opens, ending = _read(text)
        if self._plain and ending and text.startswith("||"):
            return None
        if text[0] == "[" and ending:
            return self._ending(music, ending)
        if music.line:
            return self._again(music, text, ends, closes, opens, ending)
        if music.due:
            return None
        edge = ends or closes or opens
        # What a tie across a repeat or ending leads to, programs disagree about; and some lose
        # those of a chord over any bar line. Over that of a full bar only a prompt has one.
        chord = len(music.tied) > 1 and not self._is_full(music)
        if self._plain and music.tied and (edge or ending or chord):
            return None
        return self._end_bar(music, edge, closes, opens, ending)

    @staticmethod
    def _is_full(music: Music) -> bool:
        full = music.owed or music.setting.full
        return bool(full) and music.spent >= full

    def _end_bar(
        self, music: Music, edge: bool, closes: bool, opens: bool, ending: int
    ) -> Music | None:
        full, spent = music.setting.full, music.spent
        if not spent:
            return None
        owed, pickup, own = 0, music.pickup, music.own
        upbeat = divided = short = False
        if music.owed and music.first and spent == music.owed:
            # It completes the bar before it, and is its own section's upbeat too.
            pickup, own = spent, True
        elif full and spent != (music.owed or full):
            if music.owed:
                # The bar that the endings divide may be the section's last, which completes the
                # upbeat or, at a double bar, is itself completed by the next.
                if not (edge and music.ending and spent < music.owed):
                    return None
                if spent != music.owed - music.pickup:
                    if closes and music.ending == 1:
                        return None
                    owed = music.owed - spent
            elif spent > full:
                return None
            elif music.first and not ending and (not edge or (opens and not closes)):
                if self._plain and music.symbols and not accompanied(music.setting, spent):
                    return None
                pickup, upbeat, own = spent, True, True
            elif not edge:
                # The endings divide this bar: each begins by completing it.
                if self._plain or music.bars >= 0 or music.ending or not music.music:
                    return None
                owed, divided = full - spent, True
            elif not music.pickup or spent != full - music.pickup:
                # In a section that has an upbeat the last bar completes it, or at a double bar is
                # completed itself; in one that has none it may be short.
                if self._plain or (own and (ending or closes)):
                    return None
                owed = full - spent if own else 0
                short = not own
        counted = not (upbeat or owed or short)
        bars = music.bars - 1 if music.bars > 0 and counted else music.bars
        if music.bars == 0 and counted:
            return None
        after = music._replace(
            place="gap", text="", spent=0, first=edge, owed=owed, pickup=pickup,
            own=own and not edge, after=0, last=(),
            written=0, alters=(), bars=bars, line="thin", due=divided, closed=False, fermata=False,
        )  # fmt: skip
        if divided:
            return self._ending(after, ending) if ending else after
        return self._mark(after, edge, closes, opens, ending, upbeat)

    def _mark(
        self, music: Music, edge: bool, closes: bool, opens: bool, ending: int, upbeat: bool
    ) -> Music | None:
        """Apply what a line means to repeats, endings and sections."""
        current, due = music.ending, False
        planned = self._plan(music, edge, closes, opens, upbeat)
        if planned is None:
            return None
        music = planned
        opened, line = music.opened, "edge" if edge else "thin"
        played = music.music
        if closes:
            if not played:
                return None
            due = current == 1
            if not current:
                music = music._replace(split=0)
            opened, played, line = False, due, "close"
            if opens and (due or (self._plain and current > 2)):
                return None  # abc2midi misses a :| where :: closes the third
        elif edge:
            if current == 1:
                return None  # the first ending goes back to the beginning
            if current:
                current, played = 0, False
            music = music._replace(split=0)
        if opens:
            if opened:
                return None
            opened, played, line = True, False, "open"
        music = music._replace(
            opened=opened, music=played, ending=current, due=due, line=line,
            closed=edge and not opens and not opened and not due and self._may_close(music),
        )  # fmt: skip
        if ending:
            return self._ending(music, ending)
        # Where no more bars may come, the tune must be able to end.
        return None if music.bars == 0 and not music.closed else music

    def _may_close(self, music: Music) -> bool:
        """Whether the tune may end after the line that has just come."""
        return bool(
            music.sounded and not music.owed and not music.slurs and not music.tied
            and music.bars <= 0 and music.part == len(self._sections)
        )  # fmt: skip

    def _ending(self, music: Music, number: int) -> Music | None:
        if music.line == "start" or music.bars >= 0:
            return None
        if not music.line:
            # An ending that divides a bar begins without a bar line.
            within = number == 1 and music.spent and not self._plain
            return self._end_bar(music, False, False, False, number) if within else None
        if self._plain and music.tied:
            return None
        if number == 1:
            good = music.line in ("thin", "edge", "begun") and not music.ending and music.music
            good = good and (music.due or not music.owed)
            music = music._replace(split=music.owed)
        else:
            good = music.line == "close" and number == music.ending + 1
            good = good and not music.owed
        if not good:
            return None
        return music._replace(
            place="gap", text="", ending=number, due=False, line="ending", closed=False,
            music=True, first=False, owed=music.split,
        )  # fmt: skip

    def _again(
        self, music: Music, text: str, ends: bool, closes: bool, opens: bool, ending: int
    ) -> Music | None:
        """A second line where nothing but blanks stands after the first, or one at the start."""
        if music.line == "ending" or closes or music.tied or (music.due and not ending):
            return None
        if ending:
            return self._ending(music, ending) if text[0] == "|" else None
        if music.line == "start":
            if opens:
                return self._mark(music, True, False, True, 0, True)
            begun = text == "|" or (ends and not self._plain)
            return music._replace(place="gap", text="", line="begun") if begun else None
        if opens and not music.due:
            return self._mark(music._replace(first=True), True, False, True, 0, True)
        if ends and not opens and music.line == "thin" and text in ("|]", "||"):
            after = music._replace(place="gap", text="", first=True)
            return self._mark(after, True, False, False, 0, False)
        if self._plain and not self.may_begin(music):
            return None
        if text in ("|", "||") and music.line in ("thin", "edge", "close"):
            # Where a line begins with the bar line that ended the one before.
            return music._replace(place="gap", text="", line="begun")
        return None

    def _plan(
        self, music: Music, edge: bool, closes: bool, opens: bool, upbeat: bool
    ) -> Music | None:
        """Hold the sections to the form that was asked for."""
        if not self._sections or not edge:
            return music
        part = music.part
        if closes or (not opens and not upbeat):
            # The section ends here.
            if part == len(self._sections) or music.bars != 0 or closes != self._sections[part]:
                return None
            part += 1
            bars = self._section_bars if part < len(self._sections) else 0
            music = music._replace(part=part, bars=bars)
        if opens:
            fresh = music.bars == self._section_bars
            if part == len(self._sections) or not self._sections[part] or not fresh:
                return None
        return music

    def may_come(self, music: Music) -> bool:
        """Whether there is a bar line that could stand here, once nothing else is open."""
        full, spent = music.setting.full, music.spent
        if not spent or not full or not self._plain or music.first:
            return True
        return spent in (music.owed or full, full - music.pickup)

    def may_begin(self, music: Music) -> bool:
        """Whether music may begin here; no bar may follow the last that was asked for."""
        if music.due:
            return False
        if not music.line:
            return True
        if music.bars == 0:
            return False
        if self._sections:
            part = music.part
            if part == len(self._sections):
                return False
            fresh = music.bars == self._section_bars and music.first
            # Without |: a repeat goes back to the last repeat, or to the tune's beginning.
            if fresh and self._sections[part] and not music.opened and part:
                return self._sections[part - 1]
        return True

    def may_go_on(self, music: Music) -> bool:
        """Whether another bar may follow this one, to which a note can be tied."""
        return music.bars != 1 or (not self._plain and music.part + 1 < len(self._sections))
