"""What went wrong once, or would unseen: resuming, memory, folders, shares of a loss."""

from __future__ import annotations

import os
import resource
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from featprobe.backbones.load import load_backbone
from featprobe.core import devices
from featprobe.core.errors import InputError, StoreError
from featprobe.evaluation.results import read
from featprobe.finetuning import checkpoint, checks, frames, inference, loop, plan
from featprobe.finetuning import fit as fitting
from featprobe.finetuning import trained as trained_module
from featprobe.finetuning.export import export
from featprobe.finetuning.objective import Objective
from featprobe.finetuning.recomputing import recompute
from featprobe.finetuning.settings import Training
from featprobe.probes.loading import read_saved
from featprobe.probes.selection import Criterion
from tests.conftest import make_tiny
from tests.finetuning.cases import pictures, trained

SHORT = {"epochs": 1}


def losses(result) -> list[float]:
    return [e["loss"] for e in result.provenance["history"]]


def untrained(monkeypatch) -> None:
    """Fail where anything trains."""

    def none(*_args, **_more):
        raise AssertionError("a training began")

    monkeypatch.setattr(fitting, "run_trial", none)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unknown", "balanced"])
def test_parts_count_by_what_their_loss_is_the_mean_of(kind: str) -> None:
    if kind == "unknown":
        data, more = pictures(40, labels=3), {}
        data.targets[np.random.default_rng(1).random((40, 3)) < 0.5] = np.nan
        data.targets[np.isnan(data.targets).all(1), 0] = 1
    else:
        data, more = pictures(40, targets=(np.arange(40) % 5 == 0).astype(int)), {"balanced": True}
    whole = trained(make_tiny(), data, training=more)
    parts = trained(make_tiny(), data, training={"accumulate": 4, **more})
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-4)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_the_mass_of_targets_is_what_losses_of_parts_are_weighed_by(
    task: str, balanced: bool
) -> None:
    rng = np.random.default_rng(0)
    y = {
        "multiclass": rng.integers(0, 3, 30),
        "multilabel": np.where(rng.random((30, 3)) < 0.3, np.nan, rng.integers(0, 2, (30, 3))),
        "regression": rng.normal(size=30),
    }[task]
    if task == "regression" and balanced:
        return
    o = Objective.of(y, task, "abc", balanced=balanced)
    target, logits = o.targets(y), torch.from_numpy(rng.normal(size=(30, o.columns))).float()
    cuts = [slice(0, 4), slice(4, 5), slice(5, 30)]
    masses = [o.mass(target[c]) for c in cuts]
    assert sum(masses) == pytest.approx(o.mass(target))
    parts = sum(o(logits[c], target[c]) * m for c, m in zip(cuts, masses)) / o.mass(target)
    torch.testing.assert_close(parts, o(logits, target))


@pytest.mark.slow
def test_the_scale_of_fp16_is_kept_and_is_no_other_trainings(tmp_path: Path, monkeypatch) -> None:
    original, seen = plan.accelerator_of, []

    def scaled(*given):
        made = original(*given)
        made.scaler = torch.amp.GradScaler("cpu")
        return made

    def write(state):
        if not state.ended:
            scaler = state.experiment.accelerator.scaler
            seen.append(scaler.state_dict()["_growth_tracker"])
        kept(state)

    kept = checkpoint.write
    monkeypatch.setattr(plan, "accelerator_of", scaled)
    monkeypatch.setattr(checkpoint, "write", write)
    trained(make_tiny(), pictures(40), lrs=[1e-3, 1e-4])
    assert seen == [3, 6, 9, 3, 6, 9]
    seen.clear()
    validate = loop.validate

    def killed(state):
        if state.step == 6:
            raise KeyboardInterrupt
        validate(state)

    monkeypatch.setattr(loop, "validate", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(make_tiny(), pictures(40), folder=tmp_path / "run", training={"lr": 1e-3})
    monkeypatch.setattr(loop, "validate", validate)
    trained(make_tiny(), pictures(40), folder=tmp_path / "run", training={"lr": 1e-3})
    assert seen == [3, 6, 9]


def test_what_a_training_needed_is_let_go(monkeypatch) -> None:
    held, original = [], fitting.run_trial

    def spy(experiment, *more):
        state = original(experiment, *more)
        accelerator = experiment.accelerator
        held.append((len(accelerator._models), len(accelerator._optimizers)))
        assert state.optimizer is None
        return state

    monkeypatch.setattr(fitting, "run_trial", spy)
    trained(make_tiny(), pictures(24), lrs=[1e-3, 1e-4], training=SHORT)
    assert held == [(0, 0), (0, 0)]


def test_norms_by_batch_count_a_batch_once_when_it_is_computed_twice() -> None:
    def net() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, momentum=None)),
        )

    one, other = net(), net()
    recompute(list(other))
    x = torch.randn(5, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        one(x).square().sum().backward()
        other(x).square().sum().backward()
    assert one[0][1].num_batches_tracked == 3
    own, theirs = one.state_dict(), other.state_dict()
    assert all(torch.equal(own[n], theirs[n]) for n in own)
    for p, q in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(p.grad, q.grad)


def test_a_folder_that_cannot_be_written_is_told_before_anything_trains(
    tmp_path: Path, monkeypatch
) -> None:
    untrained(monkeypatch)
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below"):
        with pytest.raises(InputError, match="the training cannot be kept there .*--run"):
            trained(make_tiny(), pictures(24), folder=place)


def test_a_column_that_is_not_there_is_told_before_anything_trains(monkeypatch) -> None:
    untrained(monkeypatch)
    with pytest.raises(InputError):
        trained(make_tiny(), pictures(24), subgroups={"nobody": "a"})


@pytest.mark.parametrize(
    ("items", "message"),
    [(60, "frames cannot be kept .*too large"), (24, "the training cannot be kept .*make room")],
)
def test_a_full_disk_is_one_line(items: int, message: str, cache: Path) -> None:
    if items == 24:
        trained(make_tiny(), pictures(items), training=SHORT)  # frames are there
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(InputError, match=message) as told:
            trained(make_tiny(), pictures(items), training={"epochs": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(told.value)
    assert not list(cache.rglob("*.partial"))


def test_of_two_that_decode_at_once_one_is_kept_whole(cache: Path, monkeypatch) -> None:
    data, backbone = pictures(6), make_tiny()
    pixels, found = frames._pixels, []

    def during(*given):
        monkeypatch.setattr(frames, "_pixels", pixels)
        assert not list((cache / "frames").glob("pictures-*"))  # nothing under its name yet
        found.append(frames.kept_frames(backbone, data, cache))
        return pixels(*given)

    monkeypatch.setattr(frames, "_pixels", during)
    mine = frames.kept_frames(backbone, data, cache)
    assert mine.path == found[0].path
    assert (mine.pixels == found[0].pixels).all()
    assert [p.name for p in (cache / "frames").iterdir()] == [mine.path.name]
    os.unlink(mine.path / "index.json")
    assert (frames.kept_frames(backbone, data, cache).pixels == mine.pixels).all()


@pytest.mark.slow
def test_a_warmup_longer_than_the_second_training_is_cut(monkeypatch) -> None:
    original, steps = fitting.run_trial, []

    def first_epoch(experiment, *more):
        state = original(experiment, *more)
        state.best_step = 1
        steps.append((experiment.steps, experiment.effective.warmup))
        return state

    monkeypatch.setattr(fitting, "run_trial", first_epoch)
    trained(make_tiny(), pictures(40), "bitfit", training={"warmup": 9.0, "refit": True})
    assert steps == [(9, 9), (4, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_are_kept_are_those_that_are_judged(keep: str, monkeypatch) -> None:
    merits = iter([(5.0, 0.0), (1.0, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.0), (3.0, 0.0)])
    monkeypatch.setattr(Criterion, "selection_score", lambda *_: next(merits))
    result = trained(make_tiny(), pictures(40), lrs=[1e-2, 1e-3], training={"keep": keep})
    assert result.params["lr"] == {"best": 1e-2, "last": 1e-3}[keep]
    vals = [e["val"] for e in result.provenance["history"]]
    assert result.val["auroc"] == vals[0 if keep == "best" else -1]


@pytest.mark.slow
def test_grids_of_rates_are_cells_of_their_own() -> None:
    data = pictures(24)
    one, same, other = (
        trained(make_tiny(), data, "bitfit", lrs=lrs, training=SHORT)
        for lrs in ([1e-3, 1e-4], [1e-4, 1e-3, 1e-4], [1e-3, 1e-2])
    )
    assert one.cell == same.cell != other.cell
    alone = trained(make_tiny(), data, "bitfit", lrs=[1e-3, 1e-3], training=SHORT)
    assert alone.searched == []
    assert alone.cell == trained(make_tiny(), data, "bitfit", training={**SHORT, "lr": 1e-3}).cell


@pytest.mark.slow
def test_rates_that_print_alike_are_two_trainings(tmp_path: Path) -> None:
    lrs = [1e-3, 1e-3 * (1 + 1e-9)]
    trained(make_tiny(), pictures(24), "bitfit", lrs=lrs, folder=tmp_path / "run", training=SHORT)
    assert len(list((tmp_path / "run").glob("lr=*.pt"))) == 2


def test_of_a_broken_promise_nothing_is_kept(tmp_path: Path, monkeypatch) -> None:
    def broken(*_):
        raise checks.BrokenPromise("moved")

    monkeypatch.setattr(checks, "still_frozen", broken)
    with pytest.raises(checks.BrokenPromise):
        trained(make_tiny(), pictures(24), "bitfit", folder=tmp_path / "run", training=SHORT)
    assert not list((tmp_path / "run").glob("*.pt"))


def test_a_backbone_that_cannot_be_exported_does_not_take_the_numbers_along(
    cache: Path, monkeypatch
) -> None:
    def none(*_):
        raise InputError("tiny: cannot be exported: why")

    monkeypatch.setattr(trained_module, "export", none)
    result = trained(make_tiny(), pictures(24), "bitfit", training=SHORT)
    (kept,) = read(cache)
    assert kept.id == result.id
    assert "the trained backbone is not kept: tiny: cannot be exported: why" in kept.notes
    saved = read_saved(Path(kept.provenance["folder"]) / "head.safetensors")  # the head is
    assert saved.features.origin["name"].endswith("backbone")


def test_features_that_differ_cost_neither_backbone_nor_head(cache: Path, monkeypatch) -> None:
    def differs(backbone, folder, about):
        backbone.module.layernorm.register_forward_hook(lambda _m, _a, out: out + 1)
        return export(backbone, folder, about)

    monkeypatch.setattr(trained_module, "export", differs)
    result = trained(make_tiny(), pictures(24), "bitfit", training=SHORT)
    folder = Path(result.provenance["folder"])
    (problem,) = result.provenance["export_problems"]
    assert problem in result.notes
    assert "read back, its features differ: cls by up to" in problem
    assert not (folder / "backbone").exists()
    kept = load_backbone(folder / "backbone-unverified")
    source = read_saved(folder / "head.safetensors").features
    assert source.key["weights"] == kept.weights_sha256
    assert source.origin["name"] == str(folder / "backbone-unverified")


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    trained(make_tiny(), pictures(24), "bitfit", folder=tmp_path / "run", training=SHORT)
    (file,) = (tmp_path / "run").glob("lr=*.pt")
    saved = torch.load(file, weights_only=True)
    saved["format"] = 0
    torch.save(saved, file)
    with pytest.raises(StoreError, match="format 0, this version of featprobe has .*delete it"):
        trained(make_tiny(), pictures(24), "bitfit", folder=tmp_path / "run", training=SHORT)


def test_a_finished_training_is_not_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        trained(make_tiny(), pictures(24), "bitfit", folder=tmp_path / "run", training=SHORT)
        (file,) = (tmp_path / "run").glob("lr=*.pt")
        os.utime(file, (1, 1))
    assert file.stat().st_mtime == 1


def test_without_val_nothing_is_chosen() -> None:
    rows = SimpleNamespace(train=np.arange(9), val=np.arange(0))

    def check(t: Training, *lrs: float) -> None:
        one, data = SimpleNamespace(num_processes=1), SimpleNamespace(split=rows)
        asked = SimpleNamespace(
            training=t, lrs=lrs or (1e-3,), data=data, accelerator=one, fit=rows.train, unit="items"
        )
        plan.check_enough(asked)

    check(Training())
    for t, lrs in ((Training(), [1e-3, 1e-4]), (Training(patience=2), [])):
        with pytest.raises(InputError, match="the split has no val items"):
            check(t, *lrs)
    with pytest.raises(InputError, match="9 items a step cannot be cut into 16 parts"):
        check(Training(accumulate=16))


def test_scoring_goes_on_with_fewer_frames_when_memory_is_short(monkeypatch) -> None:
    data = pictures(24, frames=5)
    whole = trained(make_tiny(), data, "bitfit", training={**SHORT, "batch": 2})
    sizes, original = [], inference.Network.features

    def small(self, x):
        sizes.append(len(x))
        if len(x) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, x)

    monkeypatch.setattr(devices, "NEAR", 1000)  # as on a GPU
    monkeypatch.setattr(inference.Network, "features", small)
    again = trained(make_tiny(), data, "bitfit", training={**SHORT, "batch": 2})
    assert max(sizes) > 16
    assert again.metrics["log_loss" if "log_loss" in again.metrics else "auroc"] == pytest.approx(
        whole.metrics["log_loss" if "log_loss" in whole.metrics else "auroc"], abs=1e-4
    )


@pytest.mark.slow
def test_a_backbone_compiled_for_extraction_is_trained_uncompiled() -> None:
    backbone = make_tiny()
    plain = trained(make_tiny(), pictures(24), training=SHORT)
    backbone.compile()
    assert losses(trained(backbone, pictures(24), training=SHORT)) == losses(plain)
    assert all("forward" in vars(b) for b in backbone.adapter.blocks_of(backbone.module))


def test_fp16_needs_a_gpu() -> None:
    with pytest.raises(InputError, match="fp16 is for training on a GPU"):
        trained(make_tiny(), pictures(24), training={"precision": "fp16"})


def test_the_device_is_not_that_of_an_earlier_run() -> None:
    from accelerate import PartialState

    plan.accelerator_of(torch.device("cpu"), "float32")
    PartialState._shared_state["device"] = torch.device("meta")
    assert plan.accelerator_of(torch.device("cpu"), "bf16").device.type == "cpu"


def test_weights_that_blow_up_in_the_last_step_are_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="smaller --lr"):
            trained(
                make_tiny(), pictures(24),
                training={"steps": 1, "epochs": 1, "lr": 1e30, "clip": None, "warmup": 0.0},
            )  # fmt: skip
