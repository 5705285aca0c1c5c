"""Everything that is registered passes the contract suite of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.core import plugins
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.metrics import measures
from featprobe.probes.registry import PROBES
from featprobe.testing.backbones import BackboneContract
from featprobe.testing.datasets import DatasetContract
from featprobe.testing.importers import ImporterContract
from featprobe.testing.metrics import MetricContract
from featprobe.testing.probes import ProbeContract
from featprobe.testing.readers import ReaderContract
from featprobe.testing.recipes import RecipeContract
from tests.conftest import make_tiny
from tests.probes.every import QUICK

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9), np.uint8)


class TestProbes(ProbeContract):
    @pytest.fixture(autouse=True, params=PROBES.names())
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        self.params = QUICK.get(self.name, {})


class TestMetrics(MetricContract):
    @pytest.fixture(autouse=True, params=measures.METRICS)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        self.classes = 7 if self.name == "top5" else 2


class TestRecipes(RecipeContract):
    @pytest.fixture(autouse=True, params=RECIPES.names())
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        self.options = {"blocks": 1} if self.name == "block-expansion" else {}

    def backbone(self) -> fp.Backbone:
        return make_tiny()


class TestTiny(BackboneContract):
    name = "tiny_vit14"


class TestDigits(DatasetContract):
    name = "digits"


class TestRaster(ReaderContract):
    name = "raster"

    def example(self, folder: Path) -> tuple[Path, np.ndarray]:
        Image.fromarray(PIXELS).save(folder / "a.png")
        return folder / "a.png", PIXELS


class TestNifti(ReaderContract):
    name = "nifti"

    def example(self, folder: Path) -> tuple[Path, np.ndarray]:
        volume = np.random.default_rng(0).integers(0, 256, (6, 5, 4)).astype(np.int16)
        # columns run to the patient's left, rows to the back
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1, -1, 1, 1])), folder / "a.nii")
        return folder / "a.nii", volume.transpose(2, 1, 0)


class TestArrays(ReaderContract):
    name = "array"

    def example(self, folder: Path) -> tuple[Path, np.ndarray]:
        np.save(folder / "a.npy", PIXELS)
        return folder / "a.npy", PIXELS


@pytest.fixture
def registered() -> Iterator[Any]:
    """``register``, taken back when the test ends."""
    names = []

    def register(kind: str, name: str, **facts: Any) -> Any:
        names.append((kind, name))
        return fp.register(kind, name, **facts)

    yield register
    for kind, name in names:
        plugins.forget(kind, name)


class TestAnImporter(ImporterContract):
    name = "texts"

    @pytest.fixture(autouse=True)
    def _there(self, registered: Any) -> None:
        @registered("importer", "texts", suffixes=[".features"])
        def read(path: Path) -> tuple:
            rows = [line.split() for line in path.read_text().splitlines()]
            x = np.array([r[1:] for r in rows], dtype=np.float32)
            return {"cls": x}, {"id": [r[0] for r in rows]}

    def example(self, folder: Path) -> tuple:
        x = np.arange(12, dtype=np.float32).reshape(4, 3)
        path = folder / "own.features"
        lines = (f"id{i} " + " ".join(map(str, row)) for i, row in enumerate(x.tolist()))
        path.write_text("\n".join(lines))
        return path, {"cls": x}, [f"id{i}" for i in range(4)]


class TestAFunctionAsDataset(DatasetContract):
    name = "ours"

    @pytest.fixture(autouse=True)
    def _there(self, registered: Any) -> None:
        @registered("dataset", "ours", modality="noise")
        def ours() -> fp.Dataset:
            return fp.Dataset.from_arrays(np.stack([PIXELS, PIXELS[::-1]]), [0, 1])
