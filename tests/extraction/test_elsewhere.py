"""elsewhere.py: whoever decodes outlives a decoder that kills its process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from featprobe.cli.main import cli
from featprobe.core.errors import InputError, UnreadableItem
from featprobe.datasets.audit import audit
from featprobe.datasets.base import Dataset
from featprobe.datasets.load import load_dataset
from featprobe.datasets.shared_intensity import settle
from featprobe.extraction.elsewhere import Elsewhere, decoded_elsewhere, elsewhere
from featprobe.extraction.plan import plan_frames
from featprobe.images.decoded_image import FrameRecipe
from tests.extraction.hostile import HostileSource

KILLS = "sick/kills.png"


@dataclass(frozen=True)
class ForeignSource(HostileSource):
    """Files of a reader of another package, whose headers kill as well."""

    def kinds(self) -> set[str]:
        return {"foreign"}

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        return len(self.read(i, recipe).pixels)


@pytest.fixture
def hostile(class_folders: Path) -> Dataset:
    good = next((class_folders / "sick").glob("*.png"))
    (class_folders / KILLS).write_bytes(good.read_bytes())
    data = load_dataset(class_folders, group="none")
    return replace(data, source=HostileSource(data.source.paths))


def test_pixels_are_those_of_this_process_and_all_else_is_the_sources(class_folders: Path) -> None:
    data = load_dataset(class_folders, group="none")
    source, want, header = data.source, data.open(3), data.header(3)
    with decoded_elsewhere(data) as inside:
        assert inside is data
        assert isinstance(data.source, Elsewhere)
        found = data.open(3)
        assert data.source.paths is source.paths
        assert data.frames(3) == len(want.pixels)
        assert data.header(3) == header
        with decoded_elsewhere(data):  # within another
            assert isinstance(data.source, Elsewhere)
        assert isinstance(data.source, Elsewhere)
    assert data.source is source
    assert found.pixels.dtype == want.pixels.dtype
    np.testing.assert_array_equal(found.pixels, want.pixels)
    assert replace(found, pixels=want.pixels) == want


def test_arrays_in_memory_stay_where_they_are() -> None:
    data = Dataset.from_arrays(np.zeros((4, 8, 8), np.uint8), name="a")
    with decoded_elsewhere(data):
        assert not isinstance(data.source, Elsewhere)


def test_errors_come_back_as_they_are_and_those_of_libraries_as_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown plane"):
        elsewhere(FrameRecipe, "up", name="a")
    with pytest.raises(UnreadableItem, match="the item: ZeroDivisionError"):
        elsewhere(divmod, 1, 0, name="the item")
    assert elsewhere(divmod, 7, 2, name="a") == (3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("use", ["check", "range", "plan", "foreign"])
def test_an_item_that_kills_its_decoder_is_left_out_alone(hostile: Dataset, use: str) -> None:
    bad = hostile.ids.tolist().index(KILLS)
    with decoded_elsewhere(hostile):
        with pytest.raises(UnreadableItem, match=r"kills.png: the decoder died \(SIGSEGV\)"):
            hostile.open(bad)
        if use == "check":
            found = audit(hostile)
            assert found.unreadable == {KILLS: f"{KILLS}: the decoder died (SIGSEGV)"}
            assert found.files["read"] == len(hostile) - 1
            return
    if use == "range":
        hostile.recipe = replace(hostile.recipe, intensity="dataset")
        with decoded_elsewhere(hostile):
            settle(hostile)
        assert hostile.recipe.intensity.startswith("range=")
        return
    if use == "plan":
        hostile.recipe = replace(hostile.recipe, frames="foreground")
    else:
        hostile.source = ForeignSource(hostile.source.paths)
    plan = plan_frames(hostile)
    assert np.bincount(plan.item).tolist() == [1] * len(hostile)


def test_the_verb_that_checks_a_data_set_decodes_elsewhere(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def looked_at(dataset: Dataset, workers: int, show: bool) -> None:
        seen.append(type(dataset.source))
        raise InputError("enough")

    monkeypatch.setattr("featprobe.datasets.audit.audit", looked_at)
    said = CliRunner().invoke(
        cli, ["data", "check", str(class_folders), "--group", "none", "--cache", str(tmp_path)]
    )
    assert str(said.exception) == "enough"
    assert seen == [Elsewhere]
