"""What pictures are given of test items."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.segmentation.answers import Answers
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.run import segment
from tests.segmentation.phantoms import Phantoms


@pytest.mark.parametrize("multilabel", [False, True])
def test_image_truth_and_answer_lie_on_the_same_pixels(multilabel: bool) -> None:
    phantoms = Phantoms(items=20, frames=2, multilabel=multilabel)
    seen: list[Answers] = []
    (r,) = segment(MaskedItems(phantoms), make_decoder("logistic"), seen=seen.append)
    (answers,) = seen
    assert len(answers.ids) == r.sizes["test"]
    assert np.mean(answers.dice) == pytest.approx(r.metrics["dice"], abs=0.02)
    for place, i in enumerate(answers.rows):
        image, truth, answer = answers(place)
        assert np.array_equal(truth, phantoms.values[i])
        assert image.shape == truth.shape[-3:] == answer.shape[-3:]
        assert (truth == answer).mean() > 0.85
        inside = truth.any(0) if multilabel else truth > 0
        assert image[inside].min() > image[~inside].max()


def test_few_shots_and_folds_show_nothing() -> None:
    seen: list[Answers] = []
    items = MaskedItems(Phantoms(items=12, frames=1))
    segment(items, make_decoder("position"), "cv", seen=seen.append)
    assert not seen
