"""images/appearance.py: items that are all black or all white between the levels they show."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.images.appearance import appearance_of
from featprobe.images.decoded_image import DecodedImage


@pytest.mark.parametrize("scale", [(0.0, 1.0), (-1000.0, 400.0)])
@pytest.mark.parametrize(
    ("darkest", "brightest", "seen"),
    [(0.0, 0.09, "black"), (0.0, 0.11, ""), (0.91, 1.0, "white"), (0.89, 1.0, ""), (0.4, 0.6, ""),
     (0.0, 1.0, ""), (-0.2, -0.1, "black"), (1.1, 1.2, "white"), (0.05, 0.05, ""),
     (0.95, 0.95, "")],
)  # fmt: skip
def test_black_and_white_are_a_tenth_of_the_range(scale, darkest, brightest, seen) -> None:
    low, high = scale
    pixels = low + (high - low) * np.array([[[darkest, brightest]]])
    picture = DecodedImage(pixels)
    assert appearance_of(picture, pixels, (low, high), "minmax").seen == seen
