"""A decoder under a protocol on stored tokens: Results beside those of other verbs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.evaluation.predict import source_of_items
from featprobe.evaluation.result_list import Results
from featprobe.segmentation.answers import Answers
from featprobe.segmentation.decoders.base import Decoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.partition import Protocol, checked, split_items
from featprobe.segmentation.protocols import run_protocol
from featprobe.segmentation.reporting import keep, result_of
from featprobe.segmentation.saving import save_decoder, saved_of
from featprobe.segmentation.training import Training, usual
from featprobe.segmentation.work import Work
from featprobe.stats.resampling import RESAMPLES

SELECT = ("dice", "log_loss")


def segment(
    items: MaskedItems, decoder: Decoder, protocol: str | Protocol = "full",
    training: Training | None = None, *, seeds: Sequence[int] = (0,), select: str = "dice",
    refit: bool = False, resamples: int = RESAMPLES, cache: str | os.PathLike[str] | None = None,
    save: bool = False, save_to: str | os.PathLike[str] | None = None, device: str = "auto",
    progress: Any = False, label: str = "", seen: Callable[[Answers], None] | None = None,
) -> Results:  # fmt: skip
    """Train a decoder and score it on test items in the voxels of their images.

    ``full``: every candidate (learning rate, k, C) learns from train, val chooses by ``select``
    (mean Dice of items, or cross-entropy), and test is scored once; with ``refit`` the chosen one
    learns again from train and val. ``cv``: every fold is test once, the next one val. ``fewshot``
    (:class:`~featprobe.segmentation.partition.Shots`): a Result for each number of shots, the mean
    over tries. ``seeds``: of first weights, or of which patches are taken; the score of an item is
    the mean over them. ``save`` appends Results to the cache; ``save_to``: a file for the decoder
    of the first seed, and ``seen``: is given it with the test items, both of ``full`` alone;
    ``label``: a name in tables.

    Raises :class:`InputError` for masks or tokens that a decoder cannot learn from.
    """
    chosen = checked(protocol)
    if select not in SELECT:
        raise InputError(f"select {select!r}: decoders are chosen by {' or '.join(SELECT)}")
    if not seeds:
        raise InputError("no seeds: give at least one")
    t = training or usual(decoder)
    work = Work(decoder, items, t, tuple(dict.fromkeys(seeds)), select, refit, device, progress)
    split = split_items(items, chosen)
    out = Results()
    root = settings.cache_root(cache)
    for outcome in run_protocol(work, chosen, split):
        result, scored, folds = result_of(work, chosen, split, outcome, resamples, label)
        if save_to is not None and outcome.kept is not None:
            source = source_of_items(items.tokens.features, result.view, "mean")
            save_decoder(saved_of(outcome.kept, items, source), save_to)
        if seen is not None and outcome.kept is not None:
            seen(Answers(items, outcome.kept, outcome.rows[0], outcome.scores[0]))
        if save:
            keep(root, result, scored, folds)
        out.append(result)
    return out
