"""The training script of the small backbone, at a size that takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import featprobe as fp

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "bin" / "train_tiny"
if not SCRIPT.is_dir():
    pytest.skip("no bin/ here: this is not a clone", allow_module_level=True)
sys.path.insert(0, str(SCRIPT.parent))

from train_tiny import images  # noqa: E402
from train_tiny.__main__ import DEFAULTS, main  # noqa: E402
from train_tiny.compare import compare, markdown  # noqa: E402
from train_tiny.train import Settings  # noqa: E402

pytestmark = pytest.mark.slow
SMALL = [
    "--steps", "24", "--images", "96", "--batch", "16", "--threads", "1", "--quiet",
    *(f"--set={s}" for s in (
        "width=32", "blocks=2", "heads=2", "pixels=64", "size=56", "early_size=42", "warmup=3",
        "rate=0.003", "average=0.9",
    )),
]  # fmt: skip


def run(out: Path, *options: str) -> dict:
    """Train in a process of its own, as a user does; returns training.json."""
    env = {**os.environ, "PYTHONPATH": f"{SCRIPT.parent}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "train_tiny", "--out", str(out), *SMALL, *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "training.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder written by a short training."""
    out = tmp_path_factory.mktemp("trained") / "small"
    run(out)
    return out


def test_the_loss_falls(trained: Path) -> None:
    record = json.loads((trained / "training.json").read_text())
    assert record["steps_done"] == 24
    assert record["final_losses"]["total"] < 0.85 * record["first_losses"]["total"]


def test_one_seed_gives_identical_weights_and_another_does_not(
    trained: Path, tmp_path: Path
) -> None:
    run(tmp_path / "again")
    run(tmp_path / "other", "--seed", "1")
    files = [p / "model.safetensors" for p in (trained, tmp_path / "again", tmp_path / "other")]
    first, again, other = (f.read_bytes() for f in files)
    assert first == again
    assert first != other


def test_the_folder_loads_and_gives_cls_and_mean(trained: Path) -> None:
    backbone = fp.load_backbone(trained)
    assert not backbone.random
    assert backbone.preprocess.size == (56, 56)
    for made in (backbone, fp.load_backbone(trained, init="random")):
        assert {p.dtype for p in made.module.parameters()} == {torch.float32}
    frames = np.random.default_rng(0).integers(0, 255, (3, 40, 50)).astype(np.uint8)
    out = backbone.forward(backbone.prepare(frames, 0, 255))
    assert {k: tuple(v.shape) for k, v in out.items()} == {"cls": (3, 1, 32), "mean": (3, 1, 32)}


def test_an_unknown_setting_is_named() -> None:
    done = CliRunner().invoke(main, ["--set", "dept=3"])
    assert done.exit_code == 2
    assert "'dept' is none of steps, seed" in done.output


def test_help_says_the_defaults_of_the_settings() -> None:
    assert {k: getattr(Settings(), k) for k in DEFAULTS} == DEFAULTS


def test_every_class_is_painted_under_its_name() -> None:
    names = [images.class_name(c) for c in range(images.CLASSES)]
    assert len(set(names)) == images.CLASSES
    assert {"noise-000", "glyph-199", "chest-none", "head-diffuse"} <= set(names)
    for family, f in enumerate(images.FAMILIES):
        for index in (0, f.classes // 2, f.classes - 1):
            rng = np.random.default_rng([3, family, index])
            image, count, marks = images.paint(family, index, rng, 64)
            assert image.shape == (64, 64)
            assert 0 <= image.min() < image.max() <= 1
            assert (count > 0) == (family in images.DRAWINGS)
            assert (marks[0].max() > 0) == (family in images.DRAWINGS)


def test_a_finding_is_where_its_map_says() -> None:
    for index in range(16):
        name = images.class_name(int(images.START[images.ANATOMY]) + index)
        _, _, marks = images.paint(images.ANATOMY, index, np.random.default_rng(index), 64)
        assert (marks[1].max() > 0.3) == (not name.endswith("none")), name


def test_a_pool_does_not_depend_on_how_many_processes_make_it() -> None:
    one, two = (images.make_pool(250, 64, 5, processes) for processes in (1, 2))
    for name in ("images", "label", "family", "count", "marks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert set(one.family.tolist()) == set(range(len(images.FAMILIES)))
    in_range = [(images.START[f] <= c < images.START[f + 1]) for f, c in zip(one.family, one.label)]
    assert all(in_range)


def test_glyphs_of_one_class_are_more_alike_than_of_two() -> None:
    def drawn(index: int, k: int) -> np.ndarray:
        family = next(i for i, f in enumerate(images.FAMILIES) if f.name == "glyph")
        _, _, marks = images.paint(family, index, np.random.default_rng([index, k]), 64)
        return marks[0].reshape(8, 8, 8, 8).mean((1, 3)).ravel()

    made = np.array([[drawn(index, k) for k in range(6)] for index in range(12)])
    within = made.std(1).mean()
    between = made.mean(1).std(0).mean()
    assert between > within * 0.5


def test_comparison_pairs_trained_and_random(trained: Path, cache: Path) -> None:
    rows = compare(trained, ["digits"], cache=cache, resamples=50, show=False)
    assert [r.probe for r in rows] == ["kNN", "linear"]
    for r in rows:
        assert r.twin.random
        assert not r.trained.random
        assert r.trained.split["digest"] == r.twin.split["digest"]
        assert r.difference == r.trained.metrics["auroc"] - r.twin.metrics["auroc"]
        assert r.interval[0] <= r.difference <= r.interval[1]
    table = markdown(rows, "auroc")
    assert "| digits | kNN |" in table
    assert "of 2 intervals lie above zero" in table
