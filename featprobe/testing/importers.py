"""What every importer of features must do.

class TestMine(ImporterContract):
    name = "mine"

    def example(self, folder):
        ...  # write a file of the format
        return path, {"cls": x}, ids
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.features.exchange.plugins import importer
from featprobe.features.exchange.transfer import load
from featprobe.features.feature_set import FeatureSet


class ImporterContract:
    """Subclass, set ``name``, and write :meth:`example`."""

    name: str = ""

    def example(self, folder: Path) -> tuple[Path, Mapping[str, np.ndarray], Sequence[str]]:
        """A file of the format, its arrays (rows, D), and the id of each row, all different."""
        raise NotImplementedError

    def test_what_is_in_the_file_is_in_the_store(self, tmp_path: Path) -> None:
        path, arrays, ids = self.example(tmp_path)
        root = tmp_path / "features"
        made = load(path, root, name="d", backbone="b", format=self.name)
        features = FeatureSet(made)
        assert features.ids.tolist() == list(map(str, ids))
        for name, x in arrays.items():
            np.testing.assert_array_equal(features.x(name), x.astype(np.float32))

    def test_its_suffix_chooses_it(self, tmp_path: Path) -> None:
        path, _, _ = self.example(tmp_path)
        found = importer(path, None)
        chosen = importer(path, self.name)
        assert chosen is not None
        assert found is None or found.name == self.name

    @pytest.mark.parametrize("content", [b"", b"\0\1\2", b"nothing of this format"])
    def test_another_file_is_one_line(self, tmp_path: Path, content: bytes) -> None:
        path, _, _ = self.example(tmp_path)
        path.write_bytes(content)
        with pytest.raises(InputError) as text:
            load(path, tmp_path / "features", name="d", backbone="b", format=self.name)
        assert str(path) in str(text.value)
        assert "\n" not in str(text.value)
