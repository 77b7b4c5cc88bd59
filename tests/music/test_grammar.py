"""The grammar: what it accepts, what it refuses and where, and that no state is a dead end."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path

import pytest

from seqgen.corpus.tunes import find_tunes
from seqgen.errors import UsageError
from seqgen.music.abc.grammar import Conditions, Grammar, parse_range
from seqgen.music.abc.grammar.finish import Finisher
from seqgen.music.abc.grammar.music import MOST_IDLE
from seqgen.music.abc.parser import parse

HEAD = "X:1\nT:a\nM:2/4\nL:1/8\nK:C\n"
ALPHABET = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n|:[](){}<>/-^_=,'\"!.%\\~#+"
)

VALID = [
    "C2D2|E4|]",
    "C|D2E2|F3|]",  # the last bar completes the upbeat
    "C|D2E2|F4|]",  # or is full
    "|:C2D2|E4:|",
    "C2D2:|",  # the opening |: may be left out
    "C|:D2E2|F3:|",
    "C2D2|1E4:|2F4|]",
    "C2D2|[1E4:|\n[2F4||",
    "C2D2::E4:|",
    "(3CDE F2|]",
    "C>DE<F|]",
    "C3-C|C4|]",
    "C4-|C4|]",
    "[CE]2[DF]2|]",
    "{cd}C4|]",
    "(C2D2)|]",
    '"Am7"C4|]',
    '"^slow"C4|]',
    'u"4"C4|\\\nD4|]',
    "!fermata!C4|]",
    "C4|!\nD4|]!",
    "[M:3/4]C6|]",
    "C2D2|\nK:G\nE4|]",
    "C4|C2D|[1E|F4:|[2G|A4|]",  # the endings divide a bar
    "C2||D2|E4|]",  # a double bar divides one
    "C4|D3||E|F4|G3|]",  # what completes a bar is its section's upbeat too
    "C|D4|1E3:|2F3|]",
    "C4|D2[1E2:|[2F2|]",  # an ending divides a bar without a bar line
    "C|D4|E2[1F:|[2G2|]",
    "C4|\n|[1D4:|[2E4|]",
    "C4|D2|]",  # a section without upbeat may end in a short bar
    '"slow"C4|]',  # words in quotes
    'C4"D.C."|]',
    "C>{d}C D2|]",
    "C4{cd}|D4|]",
    "[HCvE]4|]",
    "C2[P:B]D2|]",
    "C4|%a comment\n%%MIDI program 3\nD4|]",
    "y C4 y|]",
    "C4[|]|]",
    "|]C4|D4|]",
    "C4|D[1E3:|[2E2||E|F4|]",
    "C4|D[1E3:|[2E2::E|F4:|",
]

FAULTY = [
    "C2D2E|]",
    "C4|C2D|E4|]",
    "C>D2E|]",
    "C-D3|]",
    "C4|(3CD E|F4|]",
    "C4|",
    "C4",
    "|:C4|]",
    "C4|1D4|]",
    "C4|2D4|]",
    "[CE4|]",
    "(C4|]",
    "C4)|]",
    "C4|]\n\n",
    "C4|]x",
    "q4|]",
]


@pytest.mark.parametrize("body", VALID)
def test_accepts(body: str) -> None:
    assert Grammar().fault(HEAD + body) is None
    assert Grammar().fault(HEAD + body + "\n") is None
    assert not next(parse(HEAD + body + "\n")).diagnostics


def test_accepts_comments_directives_and_parts_in_the_header() -> None:
    header = "X:1 % one\nT:a\nP:AB\nM:2/4 % two\nL:1/8\nL:1/8\nI:linebreak $\n%%x {y}\nK:C % k\n"
    assert Grammar().fault(header + "P:A\nC4|]\nP:B\nD4|]\n") is None
    assert Grammar(plain=True).fault(header + "C4|]\n") is not None


@pytest.mark.parametrize("body", FAULTY)
def test_refuses(body: str) -> None:
    assert Grammar().fault(HEAD + body) is not None


@pytest.mark.parametrize(
    "header",
    ["T:a\nX:1\nK:C\n", "X:1\nK:C\n", "X:1\nT:a\nM:0/4\nK:C\n", "X:1\nT:a\nK:J\n", "X:a\n"],
)
def test_a_header_has_its_order_and_values(header: str) -> None:
    assert Grammar().fault(header + "C4|]") is not None


def test_the_fault_is_where_it_is() -> None:
    text = HEAD + "C2D2E|]"
    assert Grammar().fault(text) == text.index("E|]")


def ryan() -> list[str]:
    spec = find_spec("music21")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0], "corpus", "ryansMammoth")
    files = sorted(folder.glob("*.abc"))[::4]
    return [tune for file in files for tune in find_tunes(file.read_text("latin-1"), suffix=".abc")]


def test_real_tunes_are_accepted_and_what_is_accepted_check_finds_no_fault_in() -> None:
    tunes = ryan()
    accepted = [tune for tune in tunes if Grammar().fault(tune) is None]
    assert len(accepted) > 0.55 * len(tunes)
    for tune in accepted:
        assert not next(parse(tune)).diagnostics, tune


@pytest.mark.parametrize(
    ("meter", "body", "offset"),
    [
        ("5/4", 'A2|"C"c2 c8|', None),  # the last bar ends on a beat
        ("5/4", 'A|"C"c', 3),
        ("5/4", 'A|c4c6|"C', 8),
        ("4/4", 'A|"C"c8|', None),
        ("4/4", 'A/|"C"c', 4),
        ("4/4", '"C"c8||A/|', 9),
        ("5/4", '"C"c2c8||A|', 10),
    ],
)  # fmt: skip
def test_chord_symbols_are_drawn_where_their_accompaniment_ends_with_the_tune(
    meter: str, body: str, offset: int | None
) -> None:
    head = f"X:1\nT:a\nM:{meter}\nL:1/8\nK:C\n"
    fault = Grammar(plain=True).fault(head + body, whole=False)
    assert fault == (None if offset is None else len(head) + offset)


def test_a_mark_before_the_end_waits_for_its_note() -> None:
    """A line break behind it makes no difference."""
    head = "X:1\nT:a\nM:4/4\nL:1/8\nK:C\n"
    assert Grammar().fault(head + "C8|]!") is None
    for text in ('C8|]"C"', 'C8|]"C"!'):
        assert Grammar().fault(head + text) == len(head + text)


def test_the_third_ending_is_not_closed_by_what_opens_a_repeat_when_drawn() -> None:
    """abc2midi would miss its sign at the tune's end."""
    head = "X:1\nT:a\nM:4/4\nL:1/8\nK:C\n"
    for two, three in (("::", None), (":|:", None), ("::", "A8"), (":|:", "A8")):
        body = f"D8|[1E8:|2G8{':|3' + three if three else ''}{two}B8|c8:|]"
        assert Grammar().fault(head + body) is None
        assert (Grammar(plain=True).fault(head + body) is None) == (three is None)


CONDITIONS = [
    Conditions(),
    Conditions(bars=4, meter="7/8"),
    Conditions(form="AABBC", bars=6, meter="3/4"),
    Conditions(lowest=60, highest=67, key="Eb"),
]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("conditions", CONDITIONS)
def test_every_state_can_be_finished_and_the_end_is_valid(
    conditions: Conditions, plain: bool
) -> None:
    grammar = Grammar(conditions, ALPHABET, plain=plain)
    finisher = Finisher(grammar)
    characters = sorted(ALPHABET)
    for seed in range(12):
        rng = random.Random(seed)
        text, state = "", grammar.start()
        for _ in range(rng.randrange(250)):
            following = [(c, s) for c in characters if (s := grammar.advance(state, c))]
            assert following or grammar.is_final(state), text
            if not following:
                break
            character, state = rng.choice(following)
            text += character
        rest = finisher.text(state)
        assert rest is not None, text
        assert Grammar(conditions).fault(text + rest) is None
        assert not next(parse(text + rest + "\n")).diagnostics, text + rest


@pytest.mark.parametrize(
    "idle", [" ", "K:C\n", "!mf!", '"^a"', "\\\n ", "[K:C]", "P:A\n", "{" + "g" * 40]
)
def test_a_drawn_tune_goes_on_to_notes(idle: str) -> None:
    head = "X:1\nT:a\nM:C\nL:1/8\nK:C\nG8|\n"
    begun = head + idle * -(-(MOST_IDLE + 8) // len(idle))
    assert Grammar().fault(begun, whole=False) is None
    grammar = Grammar(plain=True)
    stopped = grammar.fault(begun, whole=False)
    assert stopped is not None
    assert stopped > len(head) + min(len(idle), 4)  # once is no fault
    state = grammar.read(grammar.start(), begun[:stopped])
    assert state is not None
    rest = Finisher(grammar).text(state)
    assert rest is not None
    assert Grammar().fault(begun[:stopped] + rest) is None


@pytest.mark.parametrize(
    "key", ["Ador", "A dorian", "F#m", "Bb", "F# minor", "C# locrian", "HP", "none", "D phr ^f"]
)
def test_keys_as_musicians_spell_them(key: str) -> None:
    grammar = Grammar(Conditions(key=key), plain=True)
    assert grammar.fault(f"X:1\nT:a\nK:{key}\nG", whole=False) is None


def test_a_rhythm_comes_before_the_lines_that_the_music_follows() -> None:
    conditions = Conditions(rhythm="jig", meter="6/8")
    grammar = Grammar(conditions, plain=True)
    title = grammar.read(grammar.start(), "X:1\nT:a\n")
    assert title is not None
    assert [each for each in "ABCFHKLMNORSTWZ" if grammar.advance(title, each)] == ["R"]
    assert grammar.fault("X:1\nT:a\nR:jig\nM:6/8\nL:1/8\nK:G\nG6||") is None
    # Elsewhere it may stand in a prompt.
    begun = "X:1\nT:a\nM:6/8\nL:1/8\nR:jig\nK:G\nG6||"
    assert Grammar(conditions).fault(begun) is None


@pytest.mark.parametrize("field", ["X:1 ", "M:2/4 ", "L:1/8 ", "Q:1/4=99 ", "K:C ", "K:C major "])
def test_no_value_of_a_drawn_header_is_followed_by_a_space(field: str) -> None:
    lines = {"X": "X:1", "T": "T:a", "M": "M:2/4", "L": "L:1/8", "Q": "Q:1/4=99", "K": "K:C"}
    text = "\n".join((lines | {field[0]: field}).values()) + "\nC4|]\n"
    assert Grammar().fault(text) is None
    assert Grammar(plain=True).fault(text) is not None
    for key in ("K:C major\n", "K:C\n", "K:C Major\n"):
        assert Grammar(plain=True).fault(f"X:1\nT:a\nM:2/4\nL:1/8\n{key}C4|]\n") is None
    forced = Grammar(Conditions(key="Amin"), plain=True)
    for key, fits in {"Amin": True, "A minor": True, "Amin ": False, "A minor ": False}.items():
        head = f"X:1\nT:a\nM:2/4\nL:1/8\nK:{key}\n"
        assert (forced.fault(head, whole=False) is None) is fits, key


def test_a_space_in_a_key_is_drawn_only_where_a_mode_can_follow() -> None:
    head = "X:1\nT:a\nM:2/4\nL:1/8\nK:"
    grammar = Grammar(alphabet=frozenset("XTMLK:a\n12/48| Cdor"), plain=True)
    assert grammar.fault(f"{head}C", whole=False) is None
    state = grammar.read(grammar.start(), f"{head}C ")
    assert state is not None
    assert (Finisher(grammar).text(state) or "").startswith("dor\n")
    poor = Grammar(alphabet=frozenset("XTMLK:a\n12/48| Cd"), plain=True)
    assert poor.fault(f"{head}C", whole=False) is None
    assert poor.read(poor.start(), f"{head}C ") is None


def test_no_field_of_drawn_music_has_a_space_at_its_end() -> None:
    head = "X:1\nT:a\nM:2/4\nL:1/8\nK:C\nC4|"
    for field, fits in {
        "[K:G ]": 0,
        "[K:G]": 1,
        "[K:G major]": 1,
        "\nP:A \n": 0,
        "\nP:A\n": 1,
    }.items():
        text = f"{head}{field}C4|]\n"
        assert Grammar().fault(text) is None
        assert (Grammar(plain=True).fault(text) is None) is bool(fits), field


@pytest.mark.parametrize(
    "begun",
    ["M:2/4 ", "K:Amin ", "K:A ", "K:A  ", "Q:1/4=99 ", "K:C\nC4|[K:D ", "K:C\nC4|\nP:A "],
)
def test_a_prompt_that_ends_in_a_space_can_be_finished(begun: str) -> None:
    grammar = Grammar(alphabet=ALPHABET, plain=True)
    text = f"X:1\nT:a\n{begun}"
    state = Grammar(alphabet=ALPHABET).read(grammar.start(), text)
    assert state is not None
    assert grammar.advance(state, " ") is None
    rest = Finisher(grammar).text(state)
    assert rest is not None
    assert Grammar().fault(text + rest) is None


def test_a_range() -> None:
    assert parse_range("G,-b'") == (55, 95)
    for wrong in ("", "G", "b-G", "G-?", "G-A-B"):
        with pytest.raises(UsageError, match="range"):
            parse_range(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"meter": "x"}, {"key": "J"}, {"unit": "0"}, {"form": "ABA"}, {"form": "AAA"},
        {"bars": 9, "form": "AABB"}, {"title": "a\nb"}, {"bars": -1},
        {"key": "a dorian"}, {"key": "A-minor"}, {"key": "Amaj7"}, {"key": "G clef=bass"},
        {"key": "bass"}, {"key": "A5"},
        # A dead end in the middle of the tune, since no length fills what is left of a bar.
        {"meter": "6/9"}, {"meter": "4/128"}, {"meter": "1024/1"}, {"unit": "3/8"}, {"unit": "1/3"},
        {"unit": "2"}, {"unit": "1/128"},
    ],
)  # fmt: skip
def test_conditions_that_can_not_hold_say_so(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))}"):
        Conditions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        "L G8|]",
        ".G>A B2 c4|]",
        "G4\nG4|]",
        "G>.A B2 c4|]",
        '"4"G8|]',
        '"Emin"G8|]',
        "L:1/8\nG8|]",
        "c-[=c'c]7|]",
        "[d'^d]4-[d'd]4|]",
    ],
)
def test_what_other_programs_misread_is_valid_but_not_drawn(body: str) -> None:
    text = f"X:1\nT:a\nM:C\nL:1/8\nK:C\n{body}\n"
    assert Grammar().fault(text) is None
    assert Grammar(plain=True).fault(text) is not None


@pytest.mark.parametrize(
    "begun",
    [
        "K:G\nGc::\nG",  # G: would be a field
        "M:C\nK:G\n[CG]-",  # which can't go on in a tuplet
        "K:G\nGc|",  # without a 2 no second ending
        "M:1/8\nL:1/8\nK:G\n|:G|\nG",  # a full bar, whose repeat begins with a colon
        "M:1/8\nL:1/8\nK:G\n|:G|\n",
    ],
)
def test_every_place_leads_to_an_end(begun: str) -> None:
    grammar = Grammar(alphabet=frozenset("XTMKL:\n1/8|GCFc[]-(3 "), plain=True)
    state = grammar.read(grammar.start(), "X:1\nT:\n" + begun)
    assert state is not None
    for text in ("(", "1", "3", ":", "|", "G", "G "):
        after = grammar.read(state, text)
        assert after is None or Finisher(grammar).text(after) is not None
    assert Finisher(grammar).text(state) is not None


def test_behind_the_last_bar_asked_for_no_blank_waits_for_music() -> None:
    grammar = Grammar(Conditions(meter="6/8", bars=4), plain=True)
    text = "X:1\nT:a\nM:6/8\nL:1/8\nK:G\n|:G6|G6|G6|G6:|\n"
    state = grammar.read(grammar.start(), text)
    assert state is not None
    assert grammar.is_final(state)
    assert grammar.advance(state, " ") is None


@pytest.mark.parametrize(
    "conditions", [Conditions(bars=2), Conditions(form="A", bars=2), Conditions(form="AA", bars=2)]
)
def test_behind_the_last_bar_asked_for_nothing_is_drawn_but_the_end(conditions: Conditions) -> None:
    grammar = Grammar(conditions, plain=True)
    end = ":|" if conditions.form == "AA" else "||"
    begun = f"X:1\nT:a\nM:C\nL:1/8\nK:C\nG8|G8{end}"
    for text in ("", "!\n"):
        state = grammar.read(grammar.start(), begun + text)
        assert state is not None
        assert grammar.is_final(state)
        for more in ('"^a"', "!turn!", "\n|", "\n||", "\nG8|]"):
            assert grammar.read(state, more.lstrip() if text else more) is None


@pytest.mark.parametrize("mark", ['"^a"', "!turn!"])
def test_a_drawn_tune_does_not_end_with_a_mark_of_nothing(mark: str) -> None:
    text = f"X:1\nT:a\nM:C\nL:1/8\nK:C\nG8|]\n{mark}"
    assert Grammar().fault(text) is None
    assert Grammar(plain=True).fault(text) == len(text)
    assert Grammar(plain=True).fault(f"{text}G8|]") is None


def test_a_tune_does_not_end_in_the_middle_of_a_decoration() -> None:
    for plain in (True, False):
        grammar = Grammar(plain=plain)
        state = grammar.read(grammar.start(), "X:1\nT:a\nM:C\nK:C\nG8|]\n")
        assert state is not None
        assert grammar.is_final(state)
        begun = grammar.advance(state, "!")
        assert begun is not None
        assert not grammar.is_final(begun)
