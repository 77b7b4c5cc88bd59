"""A corpus as a network takes it: token ids, batches to learn from and rows to be judged by."""

from __future__ import annotations

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.corpus.documents import UNITS, Corpus
from seqgen.tokenization import Tokenizer
from seqgen.tokenization.encoded import encode
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
        tokens_per_unit: of the training part's original text.
    """

    def __init__(self, training: Corpus, validation: Corpus, tokenizer: Tokenizer) -> None:
        self._training = encode(training, tokenizer)
        self._validation = [tokenizer.encode(d.text) for d in validation.documents]
        self._units, self._unit = validation.characters, UNITS[validation.kind]
        self._closed = validation.kind != "text"
        self.tokens = self._training.tokens
        # Each document's end is a token too.
        self.tokens_per_unit = (self.tokens + len(self._training)) / training.characters

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
            units=self._units,
            unit=self._unit,
            length=length,
            context=min(CONTEXT, length // 2),
            closed=self._closed,
            vocabulary=model.vocabulary,
        )
