"""Notes, rests, chords and grace notes: what each may be, and what it does to the bar."""

from __future__ import annotations

from seqgen.music.abc.grammar.conditions import WHOLE_RANGE
from seqgen.music.abc.grammar.lengths import SHORTEST, Lengths
from seqgen.music.abc.grammar.state import Music, Setting, Spelling, Tuplet
from seqgen.music.abc.notation import ACCIDENTALS, PITCH_CLASSES

__all__ = ["MAX_CHORD", "UNTIED", "Notes", "fill_tuplet", "unmet"]

_LOWEST_OCTAVE, _HIGHEST_OCTAVE = 1, 8
MAX_CHORD = 8
UNTIED = frozenset(".~HT")
"""Marks from whose notes no tie is drawn: some programs play them as several, and lose it."""
_FREE = 1 << 16


class Notes:
    """The rules of events.

    Args:
        lowest, highest: MIDI pitches that no note may leave.
        alphabet: the characters that texts are finished with; None for all.
        plain: whether lengths are only those of ``Lengths.of``'s ``plain``.
        watches: whether accidentals are remembered in any case.
    """

    def __init__(
        self,
        lowest: int,
        highest: int,
        alphabet: frozenset[str] | None,
        plain: bool,
        watches: bool = False,
    ) -> None:
        self._lowest, self._highest = lowest, highest
        self._alphabet, self._plain = alphabet, plain
        # Whether an accidental earlier in the bar can carry a note out of the range; without a
        # narrowed range the octaves are bounded so that none can.
        self._fitting: dict[tuple[object, ...], bool] = {}
        self._edges = tuple(
            letter
            for letter, natural in PITCH_CLASSES.items()
            if (lowest, highest) != WHOLE_RANGE
            and any((natural - edge + 3) % 12 <= 6 for edge in (lowest, highest))
        )
        self.watches = watches or (lowest, highest) != WHOLE_RANGE

    def lengths(self, setting: Setting) -> Lengths:
        """The lengths that can be written."""
        return Lengths.of(setting.unit, self._alphabet, self._plain)

    # -- pitches

    def in_range(self, music: Music, spelling: Spelling) -> bool:
        """Whether a pitch, as it stands here, is inside the range."""
        letter, octave, accidental = spelling
        if not _LOWEST_OCTAVE <= octave <= _HIGHEST_OCTAVE:
            return False
        if not self.watches:
            return True
        alter = ACCIDENTALS[accidental]
        if alter is None:
            if any(each[:2] == (letter, octave) for each in music.tied):
                return True  # it goes on sounding
            alter = dict(music.alters).get(letter)
        if alter is None:
            alter = dict(music.setting.key).get(letter, 0)
        return self._lowest <= 12 * (octave + 1) + PITCH_CLASSES[letter] + alter <= self._highest

    def edges(self, music: Music, sounding: tuple[Spelling, ...]) -> tuple[int, ...]:
        """How the letters sound here that an accidental can carry in or out of the range.

        Args:
            sounding: pitches whose accidentals are not among those of the bar yet.
        """
        if not self._edges:
            return ()
        alters = dict(self._carry(music, sounding).alters)
        key = dict(music.setting.key)
        return tuple([alters.get(letter, key.get(letter, 0)) for letter in self._edges])

    def _carry(self, music: Music, spellings: tuple[Spelling, ...]) -> Music:
        """Remember the accidentals that later notes of the bar read."""
        if not self.watches:
            return music
        alters = dict(music.alters)
        for letter, _, accidental in spellings:
            alter = ACCIDENTALS[accidental]
            if alter is not None:
                alters[letter] = alter
        return music._replace(alters=tuple(sorted(alters.items())))

    def pitch(self, music: Music, spelling: Spelling) -> bool:
        """Whether a note may stand here: inside the range, and the tied one where one is tied."""
        if not self.in_range(music, spelling):
            return False
        if not music.tied:
            return True
        if music.inside == "[":
            if any(spelling[:2] == each[:2] for each in music.tied):
                again = any(spelling[:2] == each[:2] for each in music.last)
                return not again and continues(music.tied, spelling)
            # One of its own might alter a tied note in another octave.
            return self.chord_has_room(music) and not (self._plain and spelling[2])
        # Several tied notes go on in a chord only; grace notes would come between.
        return not music.inside and len(music.tied) == 1 and continues(music.tied, spelling)

    @staticmethod
    def chord_has_room(music: Music) -> bool:
        """Whether the open chord can take a note more than those it must go on sounding."""
        return len(music.last) + len(unmet(music)) < MAX_CHORD

    # -- time

    def room(self, music: Music) -> int:
        """Steps left in this bar; in free metre more than any bar takes."""
        if not music.setting.full:
            return _FREE
        return (music.owed or music.setting.full) - music.spent

    def fits(self, music: Music, steps: int) -> bool:
        """Whether an event of this written length may come, and its bar can be filled after it."""
        setting = music.setting
        if steps < SHORTEST:
            return False
        if music.broken and steps != music.broken:
            return False
        if music.graces and not _hosts(music, steps):
            return False
        tuplet = music.tuplet
        if tuplet is not None:
            return self._fits_tuplet(music, tuplet, steps)
        if not setting.full:
            return True
        rest = self.room(music) - steps
        return rest >= 0 and (rest == 0 or self.lengths(setting).fill(rest) is not None)

    def _fits_tuplet(self, music: Music, tuplet: Tuplet, steps: int) -> bool:
        lengths = self.lengths(music.setting)
        room = self.room(music)
        if tuplet.alike > 0 and steps != tuplet.alike:
            return False
        written = tuplet.written + steps
        if tuplet.left > 1:
            rest = _after(tuplet, steps)
            return fill_tuplet(lengths, rest, room) is not None
        sounding, odd = divmod(written * tuplet.normal, tuplet.actual)
        if odd or sounding > room or sounding % SHORTEST:
            return False
        return not music.setting.full or lengths.fill(room - sounding) is not None

    def may_fit(self, music: Music, text: str) -> bool:
        """Whether a length that begins so can become one that fits."""
        setting, spent, owed = music.setting, music.spent, music.owed
        broken, tuplet, graces = music.broken, music.tuplet, music.graces
        question = (setting, spent, owed, broken, tuplet, graces, text)
        answer = self._fitting.get(question)
        if answer is None:
            music = Music(
                setting, spent=spent, owed=owed, broken=broken, tuplet=tuplet, graces=graces
            )
            found = self.lengths(setting).reachable[text]
            answer = self._fitting[question] = any(self.fits(music, steps) for steps in found)
        return answer

    def _may_be_tied(self, music: Music, spellings: tuple[Spelling, ...]) -> bool:
        """Whether a tie can begin at an event; in a tune that is drawn, if no program loses it."""
        if not self._plain or len(spellings) < 2:
            return music.field not in UNTIED
        # Programs lose some ties of a chord that goes on sounding another, that holds a note twice,
        # or that has one letter in two octaves, where an accidental alters both.
        letters = {letter: accidental for letter, _, accidental in spellings}
        return (
            not music.tied
            and len({each[:2] for each in spellings}) == len(spellings)
            and all(letters[letter] == accidental for letter, _, accidental in spellings)
        )

    def event(
        self, music: Music, steps: int, spellings: tuple[Spelling, ...], tied: tuple[Spelling, ...]
    ) -> Music | None:
        """The place after a note, chord or rest (no pitches); ``tied`` are those tied within it."""
        if not self.fits(music, steps):
            return None
        if music.tied and not all(
            any(each[:2] == spelling[:2] for spelling in spellings) for each in music.tied
        ):
            return None
        spent, tuplet = steps, music.tuplet
        if tuplet is not None:
            spent = 0
            written = tuplet.written + steps
            if tuplet.left > 1:
                tuplet = _after(tuplet, steps)
            else:
                spent, tuplet = written * tuplet.normal // tuplet.actual, None
        # Broken rhythm joins two plain notes: none within a tuplet or just after another pair.
        # Nor after a fermata, whose length some programs change, nor after a staccato note.
        breakable = 0 if music.tuplet or music.broken or music.field in ("H", ".") else steps
        if music.graces and not _hosts(music, breakable // 2):
            breakable = 0
        music = self._carry(music, spellings)
        return music._replace(
            place="gap", text="", field="", inside="", inner=0,
            spent=music.spent + spent if music.setting.full else 1,
            line="", closed=False, music=True, waiting=False, after=2,
            # After a repeat's end an ending may follow; once music does, none is open any more.
            ending=0 if music.line == "close" else music.ending,
            last=spellings if self._may_be_tied(music, spellings) else (),
            tied=_distinct(tied), held=(),
            written=breakable, broken=0, tuplet=tuplet, sounded=music.sounded or bool(spellings),
            fermata=music.fermata or music.field == "H", graces=0,
        )  # fmt: skip


def _hosts(music: Music, steps: int) -> bool:
    """Whether an event is long enough for the grace notes before it, as some programs play them."""
    return 4 * steps > music.graces * music.setting.unit


def unmet(music: Music) -> tuple[Spelling, ...]:
    """Pitches tied to the open chord that it does not hold yet."""
    sounding = {each[:2] for each in music.last}
    return tuple(each for each in music.tied if each[:2] not in sounding)


def _distinct(tied: tuple[Spelling, ...]) -> tuple[Spelling, ...]:
    return tuple({each[:2]: each for each in tied}.values())


def continues(tied: tuple[Spelling, ...], spelling: Spelling) -> bool:
    """Whether a note goes on sounding one of those tied: written alike, or without accidental."""
    return any(spelling[:2] == each[:2] and spelling[2] in ("", each[2]) for each in tied)


def fill_tuplet(lengths: Lengths, tuplet: Tuplet, room: int) -> tuple[int, ...] | None:
    """Lengths in steps that complete a tuplet; None if none do."""
    return lengths.fill_tuplet(
        tuplet.written, tuplet.left, tuplet.actual, tuplet.normal, room, tuplet.alike
    )


def _after(tuplet: Tuplet, steps: int) -> Tuplet:
    """A tuplet that has taken one more note."""
    return tuplet._replace(
        left=tuplet.left - 1,
        written=tuplet.written + steps,
        alike=-1 if tuplet.alike < 0 else steps,
    )
