"""The words in names of series, such as "train", "loss" and "epoch" in "train/lossEpoch"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")

TRAIN_WORDS = frozenset({"train", "training", "trn", "learn"})
TEST_WORDS = (
    *("val", "valid", "validation", "eval", "evaluation", "evaluator", "dev"),
    *("test", "testing", "holdout", "heldout"),
)
"""Words that name a test, those of tests during training first."""

LOSS_WORDS = frozenset({"loss", "losses"})
_LIKELIHOOD_WORDS = frozenset(
    {"nll", "ce", "xent", "xentropy", "crossentropy", "bpb", "lm", "mlm", "clm", "logloss", "mlogloss"}
)
"""What the loss of most classifiers and language models is."""
_ERROR_WORDS = frozenset({"mse", "rmse", "mae", "elbo", "perplexity", "ppl"})
"""What can be a test loss or training loss if nothing is called a loss."""
_NOT_LOSS_WORDS = frozenset(
    {"scale", "scaler", "scaling", "weight", "weights", "coef", "coeff", "lr", "grad", "norm", "time", "std", "var"}
    | {"min", "max", "best", "count", "ratio", "delta", "acc", "accuracy", "factor", "runtime", "patience"}
)
_ACCURACY_WORDS = frozenset({"acc", "accuracy", "accuracies", "accu"})
_NOT_ACCURACY_WORDS = frozenset({"best", "max", "min", "loss", "time", "std", "err", "error", "lr"})
_LR_WORDS = frozenset({"lr", "lrs", "learningrate"})
_NOT_LR_WORDS = frozenset(
    {"base", "initial", "init", "min", "max", "mult", "multiplier", "scale", "factor", "ratio", "decay", "warmup"}
    | {"mul", "momentum", "grad", "norm", "update", "target", "best", "time", "reductions"}
)

INTERVAL_WORDS = frozenset({"step", "epoch", "iter", "iteration", "batch"})
_PLACE_WORDS = frozenset(
    {"running", "avg", "average", "mean", "total", "overall", "global", "metric", "metrics", "scalar", "scalars"}
    | {"log", "logs", "stats", "trainer", "charts", "dataloader", "idx", "raw", "performance", "main"}
    | {"smooth", "smoothed", "current", "cur", "last", "per", "on", "of"}
)
"""Words that say where a series stands, not what it is."""


@dataclass(frozen=True, slots=True)
class SeriesName:
    """The name of a series and what its words say.

    Args:
        words: its words in lower case, numbers included.
    """

    words: tuple[str, ...]

    @property
    def test_rank(self) -> int:
        """The place of its first test word in `TEST_WORDS`, their count without one."""
        found = [TEST_WORDS.index(word) for at, word in enumerate(self.words) if self._is_test_word(at)]
        return min(found, default=len(TEST_WORDS))

    def _is_test_word(self, at: int) -> bool:
        word = self.words[at]
        # "std_dev" is a standard deviation
        return word in TEST_WORDS and not (word == "dev" and at > 0 and self.words[at - 1] in ("std", "standard"))

    @property
    def is_test(self) -> bool:
        """Whether it is a result of tests."""
        return any(self._is_test_word(at) for at in range(len(self.words)))

    @property
    def is_train(self) -> bool:
        """Whether it says that it was measured in training."""
        return not self.is_test and not TRAIN_WORDS.isdisjoint(self.words)

    @property
    def is_derived(self) -> bool:
        """Whether it repeats another series over something else than steps, as Megatron's "lm loss vs samples"."""
        return "vs" in self.words

    @property
    def without_interval(self) -> tuple[str, ...]:
        """Its words without those that say how often it is logged."""
        return tuple(word for word in self.words if word not in INTERVAL_WORDS)

    @property
    def natural(self) -> tuple[tuple[int, int, str], ...]:
        """A key by which "pg10" comes after "pg2", and short names before long ones that start alike."""
        return tuple((1, int(word[:18]), "") if word.isdigit() else (2, 0, word) for word in self.words)

    @property
    def specific(self) -> frozenset[str]:
        """Its words that are neither of a split (train, test), an interval, a place nor "loss"."""
        return frozenset(
            word
            for word in self.words
            if word not in TRAIN_WORDS | LOSS_WORDS | INTERVAL_WORDS | _PLACE_WORDS
            and word not in TEST_WORDS
            and not word.isdigit()
        )

    @property
    def loss_rank(self) -> int | None:
        """How likely it is the loss that is minimized, 0 being the likeliest; None if it is no loss."""
        words = set(self.words)
        if words & _NOT_LOSS_WORDS or self.is_lr:
            return None
        specific = set(self.specific)
        has_likelihood = bool(specific & _LIKELIHOOD_WORDS) or {"cross", "entropy"} <= specific
        specific -= _LIKELIHOOD_WORDS | {"cross", "entropy", "language"} if has_likelihood else set()
        if words & LOSS_WORDS:
            if not specific:
                return 1 if has_likelihood else 0
            if "loss" not in words:  # "losses/entropy" stands beside losses
                return 7
            # of a generator and its discriminator
            return 3 if specific <= {"g", "gen", "generator"} else 4 if len(specific) == 1 else 5
        if has_likelihood and not specific:
            return 2
        if specific and specific <= _ERROR_WORDS:
            return 6
        # a series that is named "train" or "val", and no more
        return 8 if words and words <= TRAIN_WORDS | set(TEST_WORDS) else None

    @property
    def accuracy_rank(self) -> int | None:
        """How likely it is the accuracy, 0 being the likeliest; None if it is none."""
        words = set(self.words)
        is_named = bool(words & _ACCURACY_WORDS)
        if words & _NOT_ACCURACY_WORDS or not (is_named or words & {"top", "prec"}):
            return None
        ranks = [
            word
            for before, word in pairwise(("", *self.words))
            if word.isdigit() and before in _ACCURACY_WORDS | {"top", "prec"}
        ]
        if any(int(rank[:9]) != 1 for rank in ranks) or not (is_named or ranks):
            return None
        further = self.specific - _ACCURACY_WORDS - {"top", "prec"}
        return (2 if further else 0) + bool(ranks)

    @property
    def is_epoch(self) -> bool:
        """Whether it is the number of the epoch."""
        words = set(self.words) - TRAIN_WORDS - {"trainer", "global", "current", "charts", "time", "progress"}
        return words in ({"epoch"}, {"epochs"})

    @property
    def is_lr(self) -> bool:
        """Whether it is a learning rate."""
        words = set(self.words)
        is_named = bool(words & _LR_WORDS) or ("learning", "rate") in pairwise(self.words)
        return is_named and not words & _NOT_LR_WORDS


@lru_cache(maxsize=8192)
def series_name(name: str) -> SeriesName:
    """Return the words of a name."""
    return SeriesName(tuple(word.lower() for word in _WORD.findall(name[:200])))
