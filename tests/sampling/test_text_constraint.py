"""Text held to a grammar: whatever a network wants, what comes meets it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen import checkpoint
from seqgen.config import SamplingConfig
from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.sampling.generate import continuation
from seqgen.sampling.sampler import Sampler
from seqgen.sampling.text_constraint import TextConstraint
from seqgen.sampling.text_grammar import TextGrammar
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE
from tests.support import BiasedNoise

TEXT = "the quick brown fox jumps over the lazy dog. THE DOG, THE FOX: then they sleep!\n" * 8
TOKENIZERS = {scheme: Tokenizer.learn(scheme, [TEXT]) for scheme in ("char", "bpe")}
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "ages": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["name", "ages"],
        "additionalProperties": False,
    }
)  # fmt: skip
LARK = 'start: part+\npart: "(" start? ")" | WORD\nWORD: /[a-z]{2,9}[.!]/\n'
GBNF = 'root ::= "the " ("fox" | "dog" | root) "!"?\n'
# Much longer than any length allowed here, if it begins with b.
TRAP = r"(a[a-z]*|b[a-z]{500})\."
COUNTED = r"[A-Z]+: [a-z ]{5,20}\."
REGEX = r"[A-Z]{3,8}: [a-zé ,]{10,30}\."


def draw(
    grammar: TextGrammar, scheme: str, max_tokens: int, *, seed: int = 0, bias: dict[int, float]
) -> str:
    tokenizer = TOKENIZERS[scheme]
    pieces = continuation(
        BiasedNoise(tokenizer.size, seed, bias),
        tokenizer,
        "any prompt: ",
        SamplingConfig(max_tokens=max_tokens),
        seed=seed,
        number=0,
        constraint=TextConstraint(tokenizer, grammar, max_tokens),
    )
    return "".join(pieces)


def nested(text: str) -> bool:
    """Whether LARK describes a text."""
    while (shorter := re.sub(r"\(W*\)", "W", re.sub(r"[a-z]{2,9}[.!]", "W", text))) != text:
        text = shorter
    return re.fullmatch("W+", text) is not None


CASES: dict[str, tuple[TextGrammar, Callable[[str], object]]] = {
    "regex": (TextGrammar("regex", REGEX), lambda text: re.fullmatch(REGEX, text)),
    "counted": (TextGrammar("regex", COUNTED), lambda text: re.fullmatch(COUNTED, text)),
    "trap": (TextGrammar("regex", TRAP), lambda text: re.fullmatch(TRAP, text)),
    "lark": (TextGrammar("grammar", LARK, "g.lark"), nested),
    "gbnf": (
        TextGrammar("grammar", GBNF, "g.gbnf"),
        lambda text: re.fullmatch(r"(the )+(fox|dog)!*", text),
    ),
    "json": (
        TextGrammar("json_schema", SCHEMA, "s.json"),
        lambda text: list(json.loads(text)) == ["name", "ages"],
    ),
}
WISHES: dict[str, dict[int, float]] = {
    "nothing": {},
    "no end": {BOUNDARY: -50.0},
    "an end at once": {BOUNDARY: 50.0},
    "half bytes": dict.fromkeys(range(1, FIRST_PIECE), 50.0),
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme", TOKENIZERS)
def test_what_is_drawn_meets_the_grammar_within_the_length(
    scheme: str, case: str, wish: str
) -> None:
    grammar, meets = CASES[case]
    for seed in range(2):
        text = draw(grammar, scheme, 44, seed=seed, bias=WISHES[wish])
        assert meets(text), text
        assert len(TOKENIZERS[scheme].encode(text)) <= 44


def test_what_the_vocabulary_lacks_is_spelled_in_half_bytes() -> None:
    assert draw(TextGrammar("regex", "日本{3}"), "char", 24, bias={}) == "日本本本"


def test_characters_of_the_vocabulary_are_not_spelled_out() -> None:
    constraint = TextConstraint(TOKENIZERS["char"], TextGrammar("regex", "[a-z]"), 9)
    allowed = constraint.place(constraint.begin("")).allowed
    assert not allowed[:FIRST_PIECE].any()
    assert allowed.sum() == 26


@pytest.mark.parametrize("source", [r"[^\x00-\U0010FFFF]", r"x[a-z&&0-9]"])
def test_a_regex_that_no_text_can_meet_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match=r"^no text can meet --regex; change it$"):
        TextConstraint(TOKENIZERS["char"], TextGrammar("regex", source), 20)


def test_a_text_that_would_be_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no text of at most --max-tokens 20 tokens was found"):
        TextConstraint(TOKENIZERS["char"], TextGrammar("regex", "a{21}"), 20)
    TextConstraint(TOKENIZERS["char"], TextGrammar("regex", "a{20}"), 20)


@pytest.mark.parametrize(
    ("grammar", "error", "message"),
    [
        (TextGrammar("regex", "a("), UsageError, "--regex can't be used: unclosed group"),
        (TextGrammar("grammar", "start: word", "g"), InputError, 'g: .* unknown name: "word"'),
        (TextGrammar("grammar", "root ::= word", "g"), InputError, "g: .* 'word' not found"),
        (TextGrammar("json_schema", "{", "s"), InputError, "s: is no json schema to draw by"),
        (TextGrammar("json_schema", '{"not": {}}', "s"), InputError, "s: .* Unimplemented keys"),
    ],
)
def test_faults_are_one_sentence(
    grammar: TextGrammar, error: type[SeqgenError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        TextConstraint(TOKENIZERS["char"], grammar, 20)
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(SeqgenError, match=r"pip install 'seqgen\[constrain\]'"):
        TextConstraint(TOKENIZERS["char"], TextGrammar("regex", "a"), 20)


def test_one_sample_does_not_change_another(make_model: Callable[..., Path]) -> None:
    saved = checkpoint.load(make_model("lstm", kind="text", text=TEXT))
    grammar = TextGrammar("grammar", LARK, "g.lark")
    config = SamplingConfig(max_tokens=60)

    def sampler() -> Sampler:
        return Sampler(saved, config, prompt="", seed=3, grammar=grammar)

    together = sampler()
    assert [together.text(number) for number in range(4)] == [
        sampler().text(number) for number in range(4)
    ]


def test_music_has_its_own_grammar(make_model: Callable[..., Path]) -> None:
    saved = checkpoint.load(make_model())
    with pytest.raises(UsageError, match="are for models of text"):
        Sampler(saved, SamplingConfig(), prompt="", seed=0, grammar=TextGrammar("regex", "a"))
