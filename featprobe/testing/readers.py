"""What every reader of an image format must do, built in or of another package.

class TestMine(ReaderContract):
    name = "mine"

    def example(self, folder):
        ...  # write a file of the format
        return path, pixels
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import UnreadableItem
from featprobe.datasets.audit import audit
from featprobe.datasets.base import Dataset
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.versions import READERS, versions_of

PLAIN = FrameRecipe()


class ReaderContract:
    """Subclass, set ``name``, write :meth:`example`, and let pytest collect it."""

    name: str = ""

    def example(self, folder: Path) -> tuple[Path, np.ndarray]:
        """A file of the format below a folder, and its pixels (H, W), (F, H, W) or with colours; of
        a volume the frames of an axial cut."""
        raise NotImplementedError

    def test_its_files_are_known_by_name_and_read_as_they_are(self, tmp_path: Path) -> None:
        path, pixels = self.example(tmp_path)
        assert files.kind_of(path) == self.name
        found = files.read([path], PLAIN).pixels
        np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)
        again = files.read([path], PLAIN).pixels
        np.testing.assert_array_equal(found, again)

    def test_the_header_tells_how_many_frames_there_are(self, tmp_path: Path) -> None:
        path, _ = self.example(tmp_path)
        for recipe in (PLAIN, FrameRecipe(frames="n=2"), FrameRecipe(frames="stride=2")):
            assert files.count_frames([path], recipe) == len(files.read([path], recipe).pixels)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
    def test_a_file_cut_short_is_named(self, tmp_path: Path, share: float) -> None:
        path, pixels = self.example(tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        text = ""
        try:  # a format may end with what no pixel depends on
            found = files.read([path], PLAIN).pixels
            np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)
        except UnreadableItem as error:
            text = str(error)
        assert share >= 0.9 or path.name in text
        assert "\n" not in text

    def test_it_goes_through_the_check_of_a_data_set(self, tmp_path: Path) -> None:
        path, _ = self.example(tmp_path)
        data = Dataset.from_files([path])
        assert data.kinds() in ({self.name}, {"picture"})
        found = audit(data)
        assert not found.unreadable
        pickle.loads(pickle.dumps(data.source))  # what a worker process is given

    def test_its_version_is_in_the_key_of_features(self) -> None:
        if self.name not in READERS:
            found = versions_of([self.name])[f"reader {self.name}"]
            assert isinstance(found, str)
            assert found
