"""What every data set must do, built in or of another package.

class TestMine(DatasetContract):
    name, options = "mine", {"root": folder}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.datasets.load import CATALOG, load_dataset


class DatasetContract:
    """Subclass, set ``name``, and ``options`` of ``load_dataset`` such as ``root``."""

    name: str = ""
    options: ClassVar[Mapping[str, Any]] = {}

    def load(self, **more: Any) -> Dataset:
        """The data set."""
        return load_dataset(self.name, **self.options, **more)

    def test_it_is_listed(self) -> None:
        assert CATALOG.get(self.name).to_dict()["name"] == self.name

    def test_items_have_ids_groups_and_a_split_of_known_parts(self) -> None:
        data = self.load()
        assert data.name == self.name
        assert len(data) == len(set(data.ids.tolist())) > 0
        assert len(data.groups) == len(data.split) == len(data)
        assert set(data.split.tolist()) <= {"", "train", "val", "test"}
        assert data.targets is None or len(data.targets) == len(data)

    def test_items_are_read_as_the_recipe_says(self) -> None:
        data = self.load(intensity="minmax")
        assert data.recipe.intensity == "minmax"
        for i in {0, len(data) // 2, len(data) - 1}:
            assert data.read(i).ndim in (3, 4)

    def test_it_is_the_same_when_it_is_opened_again(self) -> None:
        one, other = self.load(), self.load()
        np.testing.assert_array_equal(one.ids, other.ids)
        assert one.fingerprint == other.fingerprint
        if one.targets is not None and other.targets is not None:
            np.testing.assert_array_equal(one.targets, other.targets)
