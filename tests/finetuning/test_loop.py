"""loop.py: when a checkpoint is due, and what a summed loss is."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.core.errors import InputError, UnknownName
from featprobe.evaluation import results
from featprobe.evaluation.val_scores import val_scored
from featprobe.finetuning.loop import QUICK, SECONDS, SHARE, _due
from featprobe.finetuning.settings import Training
from tests.finetuning.cases import pictures, trained


@pytest.mark.parametrize(
    ("since", "wrote", "ends", "looks", "due"),
    [
        (0.1, 0.0, True, True, True),  # quick ones at the end of every epoch
        (0.1, QUICK, True, True, True),
        (SHARE, QUICK + 2, True, True, False),  # a slow one not
        (2 * SHARE, QUICK + 2, True, True, False),
        (2 * SHARE + 0.1, QUICK + 2, True, True, True),
        (0.1, 0.0, False, True, False),  # within an epoch once a long time has passed
        (SECONDS, 0.0, False, True, False),
        (SECONDS + 1, 0.0, False, True, True),
        (SECONDS + 1, 0.0, False, False, False),  # where anybody looks
        (SECONDS + 1, SECONDS, True, True, True),
        (SECONDS + 1, SECONDS, True, False, False),
        (SECONDS + 1, SECONDS, False, True, True),
    ],
)
def test_a_checkpoint_is_due(
    since: float, wrote: float, ends: bool, looks: bool, due: bool
) -> None:
    assert _due(since, wrote, ends, looks) is due


SGD = {"optimizer": "sgd", "clip": None, "warmup": 0.0, "keep": "last", "batch": 10, "epochs": 2,
       "weight_decay": 0.0}  # fmt: skip


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_summed_over_items_is_a_rate_times_the_batch(
    cache, tiny_backbone, accumulate: int
) -> None:
    data = pictures(60, labels=3)

    def scores(data, **training) -> np.ndarray:
        r = trained(tiny_backbone, data, "frozen", training=SGD | training, cache=cache, save=True)
        return np.load(results.scores_file(cache, r))["scores"]

    mean = scores(data, head_lr=0.05)
    summed = scores(data, head_lr=0.005, reduction="sum", accumulate=accumulate)
    np.testing.assert_allclose(summed, mean, atol=1e-4)
    assert not np.allclose(scores(data, head_lr=0.05, reduction="sum"), mean, atol=1e-2)
    classes = pictures(60)
    np.testing.assert_array_equal(
        scores(classes, head_lr=0.05), scores(classes, head_lr=0.05, reduction="sum")
    )


@pytest.mark.parametrize("refit", [False, True])
def test_scores_of_val_are_kept_unless_it_was_trained_on(cache, tiny_backbone, refit) -> None:
    r = trained(
        tiny_backbone, pictures(60), "frozen", training=SGD | {"refit": refit}, cache=cache,
        save=True,
    )  # fmt: skip
    if refit:
        with pytest.raises(InputError, match="run 'featprobe finetune' again to keep them"):
            val_scored(cache, r)
        return
    kept, tested = val_scored(cache, r), results.scored(cache, r)
    assert len(kept.ids) == r.sizes["val"]
    assert not set(kept.ids) & set(tested.ids)
    np.testing.assert_allclose(kept.tries[0].sum(1), 1, atol=1e-5)


def test_what_earlier_trainings_did_not_say_is_said_where_it_is_not_the_default() -> None:
    assert "reduction" not in Training().to_dict()
    assert Training(reduction="sum").to_dict()["reduction"] == "sum"
    with pytest.raises(UnknownName, match="unknown reduction 'add'. Known: mean, sum"):
        Training(reduction="add").check()
