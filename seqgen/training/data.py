"""A corpus as a network takes it: token ids, batches to learn from and rows to be judged by."""

from __future__ import annotations

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.corpus.documents import Corpus
from seqgen.tokenization import Tokenizer
from seqgen.training.batches import Batches
from seqgen.training.validation import ValidationRows

__all__ = ["Data"]

RECURRENT_ROW = 1024  # tokens; a recurrent network reads on for ever, attention as far as trained
CONTEXT = 128  # tokens read before a cut part counts


class Data:
    """Both parts of a corpus, tokenized once.

    Args:
        training, validation: the parts.
        tokenizer: learnt from the first.

    Attributes:
        tokens: to learn from.
        tokens_per_char: of the training part's original text.
    """

    def __init__(self, training: Corpus, validation: Corpus, tokenizer: Tokenizer) -> None:
        self._training = [tokenizer.encode(d.text) for d in training.documents]
        self._validation = [tokenizer.encode(d.text) for d in validation.documents]
        self._characters = validation.characters
        self._closed = validation.kind == "abc"
        self.tokens = sum(map(len, self._training))
        # Each document's end is a token too.
        self.tokens_per_char = (self.tokens + len(self._training)) / training.characters

    def batches(self, model: ModelConfig, config: TrainingConfig) -> Batches:
        """What to learn from; a recurrent network carries its state from one to the next."""
        return Batches(
            self._training,
            batch_size=config.batch_size * config.accumulate,
            seq_length=config.seq_length,
            seed=config.seed,
            carried=model.recurrent,
        )

    def rows(self, model: ModelConfig) -> ValidationRows:
        """What to be judged by, in rows as long as the network can use."""
        length = RECURRENT_ROW if model.recurrent else model.context
        return ValidationRows(
            self._validation,
            characters=self._characters,
            length=length,
            context=min(CONTEXT, length // 2),
            closed=self._closed,
            vocabulary=model.vocabulary,
        )
