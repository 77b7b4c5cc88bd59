"""The `bpe` scheme: pieces learnt by byte-pair encoding (Sennrich, Haddow and Birch 2016).

The pairs that stand beside each other most often are merged, again and again, beginning at
characters. Characters, not bytes: every piece is then a text, which the grammar can read, and what
no piece spells still comes down to bytes, by the tokenizer's half bytes. Merges are learnt by
Hugging Face's `tokenizers`; applying them takes no more than what stands here, so that sampling
needs no other package.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from seqgen.errors import UsageError

__all__ = ["Merges", "learn", "words"]

# No piece reaches beyond one of these: a word with the space before it, other marks with the line's
# end after them, lines' ends, other white space. A mark with a word character on its right belongs
# to the word (`don't`, `d2fd|^edc`). The bounds keep texts without spaces, such as genomes, quick.
_WORD = re.compile(
    r" ?[^\w\s]?\w{1,32}(?:[^\w\s]\w{1,32}){0,3}"
    r"| ?[^\w\s]{1,32}\n{0,4}"
    r"|\n{1,32}"
    r"|[^\S\n]{1,32}(?!\S)"
    r"|\s"
)
LONGEST = 16  # characters of a piece
LEAST = 5  # times that a pair must have been seen: rarer ones teach their embedding little
MOST_BY_DEFAULT = 1 << 15


def words(text: str) -> list[str]:
    """The parts of a text that are cut into pieces one by one; joined, they are the text."""
    return _WORD.findall(text)


def learn(
    texts: Iterable[str], size: int | None, reserved: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """Pieces and merges for a corpus: every character of it in code-point order, then merges.

    Args:
        size: of the whole vocabulary, at most; None leaves it to the corpus.
        reserved: ids of the vocabulary that are no pieces.
    Raises:
        UsageError: the characters alone are more than that.
    """
    from tokenizers import Tokenizer, models, trainers

    # Bytes that are no text (PEP 383) can't be learnt from; half bytes spell them.
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    alphabet: set[str] = set().union(*texts)
    least = reserved + len(alphabet)
    if size is None:
        # The number of different words grows as the root of a text's length (Heaps 1978).
        size = max(least, min(least + math.isqrt(sum(map(len, texts))), MOST_BY_DEFAULT))
    elif size < least:
        raise UsageError(
            f"--vocab-size {size} is too small: the corpus's {len(alphabet)} different characters "
            f"and {reserved} tokens for all others need at least {least}"
        )
    learner = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size - reserved,
        min_frequency=LEAST,
        max_token_length=LONGEST,
        show_progress=False,
    )
    learner.train_from_iterator(map(words, texts), trainer)
    model = json.loads(learner.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return pieces, [(left, right) for left, right in model["merges"]]


class Merges:
    """Merges, to be applied to words.

    Args:
        pairs: in the order in which they were learnt.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}

    def apply(self, word: str) -> list[str]:
        """The pieces of a word: of the pairs in it the one learnt first is merged, until none is.

        A character that no merge holds stays alone.
        """
        rank, never = self._ranks.get, len(self._ranks)
        pieces = list(word)
        ranks = [rank(pair, never) for pair in pairwise(pieces)]
        while ranks and (first := min(ranks)) < never:
            at = ranks.index(first)
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            del ranks[at]
            if at > 0:
                ranks[at - 1] = rank((pieces[at - 1], pieces[at]), never)
            if at < len(ranks):
                ranks[at] = rank((pieces[at], pieces[at + 1]), never)
        return pieces
