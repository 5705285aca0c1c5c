"""plots/overlays.py: which items are shown, and where contours lie."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.plots.overlays import colours, overlay, ranked


def test_best_median_and_worst():
    assert ranked([0.1, 0.9, np.nan, 0.5, 0.7, 0.3, 0.8], 1) == [1, 4, 0]
    assert ranked([0.2, 0.4], 2) == [1, 0]
    assert ranked([np.nan]) == []


@pytest.mark.parametrize("multilabel", [False, True])
def test_contours_lie_where_masks_do(multilabel):
    truth = np.zeros((3, 20, 30), np.uint8)
    truth[1, 5:10, 4:12], truth[:, 0] = 1, 255
    prediction = np.roll(truth * (truth == 1), 2, axis=2)
    asked = []

    def item(i):
        asked.append(i)
        hot = [np.stack([v == 1, v == 2]) for v in (truth, prediction)]
        return (np.arange(1800.0).reshape(3, 20, 30), *(hot if multilabel else (truth, prediction)))

    names = ("a", "b") if multilabel else ("background", "a", "b")
    figure = overlay(
        9, item, [f"item {i}" for i in range(9)], np.arange(9) / 9, names, 1, multilabel
    )
    assert asked == [8, 4, 0]
    first = figure.axes[0]
    assert first.get_title() == "item 8\nDice 0.889"
    boxes = [c.get_paths()[0].get_extents() for c in first.collections]
    found = [np.round(b.extents, 1).tolist() for b in boxes]
    assert found == [[3.5, 4.5, 11.5, 9.5], [5.5, 4.5, 13.5, 9.5]]
    figure.savefig("/dev/null", format="png")
    with pytest.raises(InputError, match="no item has a score"):
        overlay(1, item, ["x"], [np.nan], names)


def test_colours_of_tokens_lie_over_the_picture():
    pictures = [np.eye(8, 12)] * 4
    values = [np.full((2, 3, 3), 0.5)] * 4
    figure = colours(pictures, values, list("abcd"))
    assert len(figure.axes) == 12
    assert figure.axes[3].images[0].get_extent() == [0, 12, 8, 0]
