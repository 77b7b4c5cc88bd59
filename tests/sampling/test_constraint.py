"""The mask: it keeps what leads to valid tunes, whatever the network wants."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from seqgen.config import SamplingConfig
from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.music.abc.grammar import Conditions, Grammar
from seqgen.music.abc.grammar.conditions import parse_range
from seqgen.music.abc.grammar.finish import Finisher
from seqgen.music.abc.grammar.music import MOST_IDLE
from seqgen.music.abc.parser import parse, parse_tune
from seqgen.music.score import Chord, Note
from seqgen.sampling import constraint
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import continuation
from seqgen.sampling.guide import Guide
from seqgen.sampling.infill import Gaps
from seqgen.tokenization import Scheme, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE
from tests.support import TUNES, Rows

EXTRA = "X:2\nT:More\nM:6/8\nL:1/8\nK:G\n(3ABc d3-|d>e{f}[GB]2|[1 ^f,2:|[2 z/|]!\n" * 6


class Noise(Rows):
    """A decoder whose logits are noise that depends on the place and the last token only."""

    def __init__(self, size: int) -> None:
        self.size = size

    def start(self, batch: int) -> list[int]:
        return [0] * batch

    def step(self, ids: IntArray, state: list[int]) -> tuple[FloatArray, list[int]]:
        rng = np.random.default_rng([state[0], int(ids.ravel()[-1])])
        state[0] += 1
        return rng.normal(0, 2, (1, self.size)).astype(np.float32), state

    def prefill(self, ids: IntArray, state: list[int]) -> tuple[FloatArray, list[int]]:
        return self.step(ids, state)


def draw(
    tokenizer: Tokenizer,
    conditions: Conditions,
    number: int,
    *,
    tokens: int = 150,
    prompt: str = "",
) -> str:
    config = SamplingConfig(max_tokens=tokens)
    constraint = Constraint(tokenizer, conditions)
    noise = Noise(tokenizer.size)
    return prompt + "".join(
        continuation(noise, tokenizer, prompt, config, seed=1, number=number, constraint=constraint)
    )


@pytest.fixture(params=["char", "abc", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    scheme: Scheme = request.param
    return Tokenizer.learn(scheme, [TUNES + EXTRA])


@pytest.mark.parametrize("tokens", [30, 150])
def test_noise_becomes_valid_tunes_within_the_length(tokenizer: Tokenizer, tokens: int) -> None:
    for number in range(12):
        text = draw(tokenizer, Conditions(), number, tokens=tokens)
        assert Grammar().fault(text) is None
        assert not next(parse(text + "\n")).diagnostics, text


def test_conditions_hold(tokenizer: Tokenizer) -> None:
    for number in range(6):
        conditions = Conditions(meter="6/8", bars=4, unit="1/8")
        text = draw(tokenizer, conditions, number)
        assert Grammar(conditions).fault(text) is None
        assert "\nM:6/8\n" in text
        bars = next(parse(text + "\n")).tune.voices[0].bars
        full = [bar for bar in bars if bar.duration * 4 == 3]
        assert 1 <= len(full) <= 4  # the last of a section may complete an upbeat


@pytest.mark.parametrize("compass", [None, (62, 78)])
def test_masks_kept_by_projected_states_are_those_of_the_states(
    tokenizer: Tokenizer, compass: tuple[int, int] | None
) -> None:
    kept, fresh = (Constraint(tokenizer, Conditions(), compass=compass) for _ in range(2))
    rng = random.Random(3)
    for _ in range(20):
        state = kept.grammar.start()
        for _ in range(60):
            mask = kept.allowed(state)
            fresh._masks.clear()
            assert (mask == fresh.allowed(state)).all()
            least = kept.least(state)
            assert least is not None
            assert least < 80  # the bound that the decoder trusts is far beyond it
            choices = [int(token) for token in np.flatnonzero(mask) if token]
            if not choices:
                break
            state = kept.advance(state, rng.choice(choices))


def test_masks_know_what_pieces_of_several_lexemes_ask() -> None:
    # Drawing once ended with an assertion, since `D:`, the name of a field, was taken for a note
    # that leaves its bar open.
    spanning = ["/|", "2|", "3|", "2:|", "d2|", "|d", "-|d", "2 d", "d2d2", "d:", "2:", "d2:"]
    tokenizer = Tokenizer("char", sorted(set(TUNES + EXTRA)) + spanning)
    kept, fresh = (Constraint(tokenizer, Conditions()) for _ in range(2))
    music = {FIRST_PIECE + i for i, p in enumerate(tokenizer.pieces) if set(p) <= set("d23/|:- ")}
    rng = random.Random(5)
    met: set[int] = set()
    for _ in range(40):
        state = kept.begin("X:1\nT:a\nM:6/8\nL:1/8\nK:G\n|:d3 d3|")
        for _ in range(30):
            mask = kept.allowed(state)
            fresh._masks.clear()
            assert (mask == fresh.allowed(state)).all()
            choices = sorted(music.intersection(np.flatnonzero(mask).tolist()))
            if not choices:
                break
            met.update(choices)
            state = kept.advance(state, rng.choice(choices))
    assert {tokenizer.pieces[token - FIRST_PIECE] for token in met} >= set(spanning)


@pytest.mark.parametrize("longest", [7, 40])
def test_masks_know_how_long_a_tune_has_been_idle(longest: int) -> None:
    """Whatever the longest piece, a mask holds as long as what it walked through stays allowed."""
    long = [" " * longest, "!trill!", "d2 |", "   d"]
    tokenizer = Tokenizer("char", sorted(set(TUNES + EXTRA)) + long)
    kept, fresh = (Constraint(tokenizer, Conditions()) for _ in range(2))
    # Mostly blanks, which no piece that is not busy may follow for ever.
    weights = {FIRST_PIECE + i: 1 + 40 * p.isspace() for i, p in enumerate(tokenizer.pieces)
               if p in long or p in ("d", " ", "|")}  # fmt: skip
    rng, idlest = random.Random(1), 0
    for _ in range(12):
        state = kept.begin("X:1\nT:a\nM:6/8\nL:1/8\nK:G\n|:d3 d3|")
        for _ in range(60):
            mask = kept.allowed(state)
            fresh._masks.clear()
            assert (mask == fresh.allowed(state)).all()
            choices = [token for token in weights if mask[token]]
            if not choices:
                break
            (token,) = rng.choices(choices, [weights[each] for each in choices])
            state = kept.advance(state, token)
            idlest = max(idlest, getattr(state, "idle", 0))
    assert idlest >= MOST_IDLE


def test_drawn_notes_stay_in_the_compass_and_prompts_need_not(tokenizer: Tokenizer) -> None:
    prompt = "X:1\nT:The First\nM:2/4\nL:1/8\nK:G\n|:G,2 G2|"
    constraint = Constraint(tokenizer, Conditions(), compass=(67, 74))
    pitches: list[int] = []
    for number in range(8):
        pieces = continuation(
            Noise(tokenizer.size), tokenizer, prompt, SamplingConfig(max_tokens=120),
            seed=1, number=number, constraint=constraint,
        )  # fmt: skip
        tune = parse_tune(prompt + "".join(pieces) + "\n")
        pitches += [
            each.pitch.midi
            for bar in tune.voices[0].bars[1:] for event in bar.events
            for each in (event.notes if isinstance(event, Chord) else (event,))
            if isinstance(each, Note)
        ]  # fmt: skip
    assert len(pitches) > 20
    assert all(67 <= pitch <= 74 for pitch in pitches)


def test_a_prompt_is_gone_on_from_or_refused_with_its_place(tokenizer: Tokenizer) -> None:
    head = "X:1\nT:The First\nM:2/4\nL:1/8\nK:G\n"
    text = draw(tokenizer, Conditions(), 0, prompt=head + "G2 B2|d2")
    assert Grammar().fault(text) is None
    with pytest.raises(InputError, match="the bar is full") as caught:
        draw(tokenizer, Conditions(), 0, prompt=head + "G2 B2 d2|")
    assert (caught.value.line, caught.value.column) == (6, 7)


def test_a_length_too_short_says_the_least(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="the least is"):
        draw(tokenizer, Conditions(), 0, tokens=5)


def test_a_metre_that_many_bars_leave_no_room_for_is_not_drawn(tokenizer: Tokenizer) -> None:
    constraint = Constraint(tokenizer, Conditions(bars=400))
    least = constraint.least(constraint.begin(""))
    assert least is not None
    left = least + 300  # without a metre a bar takes a note and a line, with one a length too
    guide = Guide(constraint, "", left)
    for token in tokenizer.encode("X:2\nT:M\nM:6/8\n"):
        guide.bind()
        assert guide.place.allowed[token]
        if not guide.accepts(token):
            return
        guide.advance(token)
        left -= 1
        needed = constraint.least(guide.place.state)
        assert needed is not None
        assert needed <= left
    raise AssertionError("the metre was accepted")


@pytest.mark.parametrize(
    ("letters", "conditions", "message"),
    [
        (TUNES, Conditions(meter="7/8"), "lacks '7'$"),
        (TUNES, Conditions(lowest=30, highest=34), "lacks ','$"),
        (TUNES, Conditions(title="Zo\u00eb"), "lacks 'Z' '\u00eb'$"),
        (TUNES.replace("/", ""), Conditions(meter="3/8", unit="1/4"), "lacks '/'$"),
        ("X:1\nT:\nKC|", Conditions(meter="C|"), "lacks 'M'$"),
        ("CDEFGAB|:\n", Conditions(), "lacks '1' 'K' 'T' 'X'$"),
    ],
)
def test_a_vocabulary_without_what_is_asked_says_what_it_lacks(
    letters: str, conditions: Conditions, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Constraint(Tokenizer.learn("char", [letters]), conditions)
    more = "".join(re.findall("'(.)'", str(caught.value)))
    Constraint(Tokenizer.learn("char", [letters, more]), conditions)  # that is enough


@pytest.mark.parametrize("ends", ["C,,,,-D,,,,", "d''''-g''''"])
def test_a_range_of_notes_that_are_never_drawn_is_refused(ends: str) -> None:
    low, high = parse_range(ends)
    with pytest.raises(UsageError, match=r"--range must hold notes that are drawn"):
        Conditions(lowest=low, highest=high)


@pytest.mark.parametrize("lone", [23, 24, 119, 120])
def test_the_outmost_notes_can_be_asked_for(lone: int) -> None:
    Constraint(Tokenizer.learn("char", [TUNES, "_=^,'CbBc"]), Conditions(lowest=lone, highest=lone))


def test_gaps_are_filled_and_fit(tokenizer: Tokenizer) -> None:
    text = "X:1\nT:a\nM:2/4\nL:1/8\nK:G\nG2 B2|?|c2 A2|?|]\n"
    gaps, constraint = Gaps(text, "a.abc"), Constraint(tokenizer, Conditions())
    for number in range(3):
        filled = gaps.fill(
            Noise(tokenizer.size), tokenizer, constraint, SamplingConfig(), seed=2, number=number
        )
        assert Grammar().fault(filled) is None
        assert filled.startswith(text[: text.index("?")])
    with pytest.raises(InputError, match="no open bar"):
        Gaps(text.replace("?", "G4"), "a.abc")
    broken = Gaps(text.replace("|c2 A2", "|G9\nA2"), "a.abc")
    with pytest.raises(SeqgenError, match=r"in open bar 1, before '\|G9 A2\|'; see"):
        broken.fill(
            Noise(tokenizer.size), tokenizer, constraint, SamplingConfig(), seed=2, number=0
        )


def test_lines_of_a_stamped_tune_are_counted_in_its_file(tokenizer: Tokenizer) -> None:
    stamp = '%%seqgen 0123456789abcdef 1 0 {"top_k":3}\n'
    tune = "X:1\nT:a\nM:2/4\nL:1/8\nK:G\nG2 B2|?|c2 A2|\nG4|?|c4|]\n"
    constraint = Constraint(tokenizer, Conditions())
    for above in ("", stamp, stamp + stamp.replace("\n", "\r\n")):
        decoder, config = Noise(tokenizer.size), SamplingConfig()
        gaps = Gaps(above + tune.replace("G2 B2|", "G9|"), "a.abc")
        with pytest.raises(InputError) as caught:
            gaps.fill(decoder, tokenizer, constraint, config, seed=2, number=0)
        assert (caught.value.path, caught.value.line) == ("a.abc", 6 + above.count("\n"))
        gaps = Gaps(above + tune, "a.abc")
        filled = gaps.fill(decoder, tokenizer, constraint, config, seed=2, number=0)
        assert filled.startswith("X:1\n")


class Recorder(Noise):
    """Noise that remembers what it was told."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.told: list[list[int]] = []

    def step(self, ids: IntArray, state: int) -> tuple[FloatArray, int]:
        self.told[-1] += ids.ravel().tolist()
        return super().step(ids, state)

    def prefill(self, ids: IntArray, state: int) -> tuple[FloatArray, int]:
        self.told.append([])
        return super().prefill(ids, state)


@pytest.mark.parametrize("scheme", ["char", "abc"])
def test_what_follows_a_gap_is_judged_in_the_tokens_that_a_whole_tune_has(scheme: Scheme) -> None:
    tokenizer = Tokenizer.learn(scheme, [TUNES, EXTRA])
    decoder = Recorder(tokenizer.size)
    text = "X:1\nT:a\nM:6/8\nL:1/8\nK:G\nGAB d3|?|g2e d3|\nGAB d3|]\n"
    filled = Gaps(text, "a.abc").fill(
        decoder, tokenizer, Constraint(tokenizer, Conditions()), SamplingConfig(), seed=2, number=0
    )
    whole = [0, *tokenizer.encode(filled).tolist()]
    begun = len(tokenizer.encode(filled[: filled.index("|g2e")]))
    assert any(told == whole[: len(told)] for told in decoder.told if len(told) > begun + 8)


def test_the_way_to_an_end_is_not_forgotten_while_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A state on a way is nearer to its end than it would find out alone."""
    tokenizer = Tokenizer.learn("char", [TUNES + "[]{}<>/"])
    kept, fresh = (Constraint(tokenizer, Conditions(meter="6/8")) for _ in range(2))
    rng = random.Random(1)
    for _ in range(20):
        state = kept.grammar.start()
        for _ in range(60):
            kept.least(state)
            choices = np.flatnonzero(kept.allowed(state))[1:].tolist()
            if not choices:
                break
            state = kept.advance(state, rng.choice(choices))
    known = dict(kept._least)
    monkeypatch.setattr(constraint, "_MAX_STATES", len(known) - 1)
    kept.begin("")  # another tune
    assert {state: kept.least(state) for state in reversed(known)} == known
    alone = []
    for state in known:
        fresh._least.clear()
        alone.append(fresh.least(state))
    assert alone != [*known.values()]  # so there is something to forget


def test_a_unit_that_would_leave_no_way_on_does_not_begin() -> None:
    """After 61 of 64 parts of a bar no note of a simple length in halves fills the rest."""
    tokenizer = Tokenizer.learn("char", [TUNES + "[]/1234689z"])
    one = Constraint(tokenizer, Conditions())
    state = one.begin("X:1\nT:a\nM:4/4\nL:1/8\nK:C\nCCCF9/z/8[L:1/")
    spelled = [tokenizer.decode([token]) for token in np.flatnonzero(one.allowed(state)).tolist()]
    assert "2" not in spelled
    assert "8" in spelled
    for text in spelled:
        after = one.grammar.read(state, text)
        assert after is not None
        assert one.least(after) is not None


HEAD = "X:1\nT:a\nM:C\nL:1/8\nK:C\n"


@pytest.mark.parametrize(
    "begun",
    ["[CEG]8-|", "[CE]4-[CE]4-|", "G6GG/G//{", "G6GG/G//{/", "G{abcdefg", "~G-|", "(3a{g}bc"],
)
def test_a_prompt_goes_on_though_it_holds_what_is_not_drawn(begun: str) -> None:
    held = Constraint(Tokenizer("char", [*map(chr, range(32, 127)), "\n"]), Conditions())
    state = held.begin(HEAD + begun)
    ending = Finisher(held.grammar).text(state)
    assert ending is not None
    assert Grammar().fault(HEAD + begun + ending) is None
    assert held.allowed(state).any()


@pytest.mark.parametrize(
    ("begun", "text"),
    [('"C"c4', "Hc"), ("Hc4", '"C"c'), ("!fermata!c4", '"C"c')],
)
def test_what_a_prompt_holds_decides_about_what_is_drawn_after_it(begun: str, text: str) -> None:
    held = Constraint(Tokenizer("char", [*map(chr, range(32, 127)), "\n"]), Conditions())
    assert Grammar().fault(HEAD + begun + text, whole=False) is None
    assert held.grammar.read(held.begin(HEAD + begun), text) is None
