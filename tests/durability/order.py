"""Prints digests of a run's batches, a thousand steps each, for another process to compare with.

python -m tests.durability.order ARCH STEPS forwards|backwards
"""

from __future__ import annotations

import hashlib
import sys

from seqgen.training.data import Data
from seqgen.training.plan import Wishes, plan_training
from tests.support import ARCHITECTURES, make_config
from tests.training.test_run import TOKENIZER, TRAINING, VALIDATION

BLOCK = 1000


def main() -> None:
    steps, direction = int(sys.argv[2]), sys.argv[3]
    arch = next(arch for arch in ARCHITECTURES if arch == sys.argv[1])
    model = make_config(arch, TOKENIZER.size)
    wishes = Wishes(steps=steps, batch_size=4, seq_length=16, seed=7, augment=True, arch=arch)
    config = plan_training(
        wishes,
        kind="abc",
        tokens=TRAINING.characters,
        precision="float32",
        compute="plain",
        steps=steps,
        evaluations=1,
    )
    batches = Data(TRAINING, VALIDATION, TOKENIZER).batches(model, config)
    # Backwards, each block is entered as a resumed run enters it: in the middle of an epoch.
    blocks = range(0, steps, BLOCK)
    found = {}
    for first in blocks if direction == "forwards" else reversed(blocks):
        digest = hashlib.sha256()
        for step in range(first, min(first + BLOCK, steps)):
            batch = batches[step]
            digest.update(batch.ids.tobytes() + batch.targets.tobytes() + bytes([batch.fresh]))
        found[first] = digest.hexdigest()
    sys.stdout.write("\n".join(found[first] for first in blocks))


if __name__ == "__main__":
    main()
