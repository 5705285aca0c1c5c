"""Fine-tuning from images to a Result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation.results import read, scored
from featprobe.finetuning import fit as fitting
from featprobe.finetuning import plan, run
from featprobe.finetuning.average import Average
from featprobe.finetuning.recipes.base import Recipe, Trainable
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.settings import Training
from featprobe.solvers.training import batches, steps_per_epoch
from tests.conftest import make_tiny
from tests.finetuning.cases import QUICK, pictures, trained

OPTIONS = {"last-n": {"blocks": 1}, "block-expansion": {"blocks": 1}}


def losses(result) -> list[float]:
    return [e["loss"] for e in result.provenance["history"]]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES.names())
def test_each_recipe_lowers_the_loss(recipe: str) -> None:
    whole = ("full", "last-n", "lp-ft", "block-expansion")
    lr = 3e-4 if recipe in whole else {"vpt": 1e-2}.get(recipe, 3e-3)
    result = trained(
        make_tiny(), pictures(48), recipe, OPTIONS.get(recipe), training={"epochs": 5, "lr": lr}
    )
    history = losses(result)
    assert len(history) == 5
    assert history[-1] < history[0] < np.log(2) + 0.1
    frozen = recipe == "frozen"
    assert (result.cost["trainable"] == 32 * 2 + 2) == frozen
    assert result.cost["trainable"] < result.cost["parameters"]
    assert result.params["recipe"] == recipe


def test_the_frozen_recipe_is_the_head_trained_on_cached_features(cache: Path) -> None:
    data, t = pictures(40), Training(**{**QUICK, "weight_decay": 0.0, "keep": "last", "lr": None})
    result = trained(make_tiny(), data, "frozen", training=vars(t))
    features = fp.extract(make_tiny(), data, dtype="float32", workers=0)
    (linear,) = fp.evaluate(features, "logistic", save=True, resamples=20)
    assert result.split["digest"] == linear.split["digest"]
    kept = scored(cache, result)
    assert kept.ids.tolist() == scored(cache, linear).ids.tolist()
    # the same steps by torch alone, on the features of the store
    split = {i: n for n, i in enumerate(features.ids.tolist())}
    assert features.y is not None
    x = torch.from_numpy(features.x().astype(np.float64))
    part = plan.split_items(features, fp.Full())[0].split.parts()
    fit = np.flatnonzero(part == "train")
    scale = x[fit].std(0, correction=0)
    x = ((x - x[fit].mean(0)) / torch.where(scale > 1e-12, scale, 1)).float()
    y = torch.from_numpy(features.y)
    net = torch.nn.Linear(32, 2)
    torch.nn.init.zeros_(net.weight)
    torch.nn.init.zeros_(net.bias)
    optimizer = torch.optim.AdamW(net.parameters(), lr=t.head_lr, weight_decay=0)
    steps = 3 * steps_per_epoch(len(fit), t.batch)
    warm = max(1, round(t.warmup * steps))
    for step, drawn in enumerate(batches(len(fit), t.batch, steps, 0)):
        rate = (step + 1) / warm if step < warm else None
        if rate is None:
            rate = 0.5 * (1 + np.cos(np.pi * (step + 1 - warm) / (steps - warm)))
        optimizer.param_groups[0]["lr"] = t.head_lr * rate
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[fit[drawn]]), y[fit[drawn]]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    expected = net(x).softmax(1).detach().numpy()[[split[i] for i in kept.ids.tolist()]]
    np.testing.assert_allclose(kept.tries[0], expected, atol=2e-3)


@pytest.mark.slow
def test_the_frozen_recipe_agrees_with_the_linear_probe(cache: Path) -> None:
    data = fp.load_dataset("digits")
    backbone = fp.load_backbone("tiny_vit14", image_size=28)
    result = trained(
        backbone, data, "frozen",
        training={"epochs": 20, "batch": 64, "head_lr": 1e-2, "weight_decay": 0.0},
    )  # fmt: skip
    features = fp.extract(backbone, data, dtype="float32", workers=0)
    (linear,) = fp.evaluate(features, "logistic", fp.Full(refit=False), resamples=20, save=True)
    assert 0.98 < linear.metrics["auroc"] < 0.999
    assert result.metrics["auroc"] == pytest.approx(linear.metrics["auroc"], abs=0.003)
    assert result.metrics["accuracy"] == pytest.approx(linear.metrics["accuracy"], abs=0.025)


def test_a_result_says_what_was_done(cache: Path) -> None:
    result = trained(make_tiny(), pictures(40, labels=3), "bitfit", subset=0.5)
    (kept,) = read(cache)
    assert kept.id == result.id
    assert kept.probe == "finetune"
    assert kept.task == "multilabel"
    assert {"auroc", "auroc:label0"} <= kept.metrics.keys()
    assert kept.cost.keys() == {
        "trainable", "parameters", "seconds", "peak_memory", "images_per_second",
    }  # fmt: skip
    assert kept.cost["peak_memory"] > 1e7
    assert kept.sizes["fit"] == kept.sizes["train"] in (12, 13, 14)
    assert kept.sizes["test"] == 8
    assert "refit" not in kept.params
    assert kept.settings["refit"] is False


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
def test_volumes_are_bags_of_slices(pool: str) -> None:
    result = trained(
        make_tiny(), pictures(24, frames=4), "last-n",
        training={"pool": pool, "train_frames": 2, "epochs": 4},
    )  # fmt: skip
    assert losses(result)[-1] < losses(result)[0]
    assert result.pool == pool


def test_a_mean_over_slices_is_that_of_the_probes() -> None:
    backbone = make_tiny()
    data = pictures(12, frames=3)
    features = fp.extract(make_tiny(), data, dtype="float32", workers=0)
    frames = plan.kept_frames(backbone, data, Path(plan.paths.cache_root()))
    batch = frames.batch(range(12))
    x = backbone.normalised(batch.shown(torch.device("cpu")))
    net = module_network(backbone)
    with torch.no_grad():
        rows = net.head.rows(net.features(x), batch.counts)
    np.testing.assert_allclose(rows.numpy(), features.x("cls:2+mean"), atol=1e-3)


def module_network(backbone):
    from featprobe.finetuning.network import Head, Network, wanted_of, width_of

    wanted = wanted_of(backbone, "cls:2+mean")
    return Network(backbone, wanted, Head(width_of(backbone, wanted), 2)).eval()


@pytest.mark.slow
def test_val_chooses_among_learning_rates(cache: Path) -> None:
    result = trained(make_tiny(), pictures(40), "full", lrs=[1e-12, 1e-2], training={"epochs": 6})
    assert result.searched == ["lr"]
    alone = trained(make_tiny(), pictures(40), "full", training={"epochs": 6, "lr": 1e-2})
    other = trained(make_tiny(), pictures(40), "full", training={"epochs": 6, "lr": 1e-12})
    tops = {1e-2: alone.val["auroc"], 1e-12: other.val["auroc"]}
    assert tops[1e-2] != tops[1e-12]
    assert result.params["lr"] == max(tops, key=tops.__getitem__)
    assert result.val["auroc"] == max(tops.values())


def test_val_chooses_by_what_is_asked_for_and_the_row_says_it(cache: Path) -> None:
    usual = trained(make_tiny(), pictures(40), "bitfit", training={"epochs": 2})
    by_rank = trained(
        make_tiny(), pictures(40), "bitfit", training={"epochs": 2, "select": "auroc"}
    )
    assert usual.settings["select"] == "log_loss"
    assert by_rank.settings["select"] == "auroc"
    assert usual.cell != by_rank.cell
    assert "select" not in {**usual.params, **by_rank.params}
    with pytest.raises(InputError, match="select 'quadratic_kappa': multiclass targets"):
        trained(make_tiny(), pictures(40), "bitfit", training={"select": "quadratic_kappa"})
    with pytest.raises(InputError, match="select 'acc': use one of auto"):
        Training(select="acc")


def test_refit_trains_on_train_and_val(cache: Path) -> None:
    result = trained(make_tiny(), pictures(40), "last-n", training={"refit": True})
    assert result.sizes["fit"] == result.sizes["train"] + result.sizes["val"]


def test_a_finished_training_is_only_scored_and_equal(cache: Path, monkeypatch) -> None:
    data = pictures(40)
    first = trained(make_tiny(), data, "full", training={"ema": 0.5, "epochs": 2})

    def none(*_args, **_more):
        raise AssertionError("a step was taken")

    monkeypatch.setattr("featprobe.finetuning.loop._step", none)
    again = trained(make_tiny(), data, "full", training={"ema": 0.5, "epochs": 2})
    assert (scored(cache, first).tries[0] == scored(cache, again).tries[0]).all()
    assert again.provenance["history"] == first.provenance["history"]
    with pytest.raises(AssertionError):
        trained(make_tiny(), data, "full", training={"ema": 0.5, "epochs": 3})


def test_the_backbone_that_is_given_is_not_changed() -> None:
    backbone = make_tiny()
    before = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    trained(backbone, pictures(24), "full", training={"epochs": 1})
    after = backbone.module.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not any(p.requires_grad for p in backbone.module.parameters())


@pytest.mark.slow
def test_accumulated_parts_are_one_batch() -> None:
    one = trained(make_tiny(), pictures(40), "full", training={"epochs": 1})
    parts = trained(make_tiny(), pictures(40), "full", training={"epochs": 1, "accumulate": 4})
    np.testing.assert_allclose(losses(parts), losses(one), rtol=1e-4)
    slim = trained(make_tiny(), pictures(40), "full", training={"epochs": 1, "checkpointing": True})
    np.testing.assert_allclose(losses(slim), losses(one), rtol=1e-5)


def test_lp_ft_begins_at_the_linear_probe() -> None:
    data = pictures(60, noise=90, classes=3)
    result = trained(
        make_tiny(), data, "lp-ft", training={"lr": 1e-12, "head_lr": 1e-12, "epochs": 1}
    )
    features = fp.extract(make_tiny(), data, dtype="float32", workers=0)
    (linear,) = fp.evaluate(features, "logistic", fp.Full(refit=False), resamples=20)
    assert result.metrics["auroc"] == pytest.approx(linear.metrics["auroc"], abs=0.02)
    assert result.metrics["log_loss" if "log_loss" in result.metrics else "auroc"] is not None


def test_lp_ft_is_not_for_values() -> None:
    data = pictures(20, targets=np.linspace(0, 1, 20), task="regression", classes=2)
    with pytest.raises(InputError, match="lp-ft starts from the logistic probe"):
        trained(make_tiny(), data, "lp-ft")


def test_values_are_fitted() -> None:
    y = np.random.default_rng(0).normal(5, 2, 60)
    data = pictures(60, targets=y, task="regression")
    assert isinstance(data.source.arrays[0], np.ndarray)
    for i, v in enumerate(y):  # brightness says the value
        data.source.arrays[0][i] = np.clip(60 + 15 * v, 0, 255)
    result = trained(make_tiny(), data, "full", training={"epochs": 15})
    assert losses(result)[-1] < 0.5 * losses(result)[0]
    assert result.metrics["r2"] > 0.5


def test_a_label_of_one_training_value_is_scored_as_that() -> None:
    data = pictures(40, labels=2)
    data.targets = np.c_[data.targets, np.zeros(40), np.ones(40)]
    data.classes = ("a", "b", "never", "always")
    result = trained(make_tiny(), data, "bitfit", training={"epochs": 1})
    assert result.metrics["accuracy:never"] == result.metrics["accuracy:always"] == 1
    assert "no training positive of label 'never': it is scored 0, absent" in result.notes
    assert "no training negative of label 'always': it is scored 1, present" in result.notes


def test_a_class_of_one_item_is_told() -> None:
    y = np.array([0, 1] * 20 + [2])
    data = pictures(41, targets=y, classes=2)
    data.classes = ("a", "b", "rare")
    result = trained(make_tiny(), data, "bitfit", training={"balanced": True, "epochs": 1})
    assert any("training item of class 'rare'" in n for n in result.notes)
    assert any("class 'rare'" in n for n in result.notes)


def test_a_rate_that_diverges_is_not_chosen_and_alone_is_an_error(capsys) -> None:
    result = trained(
        make_tiny(), pictures(40), "full", lrs=[1e-3, 1e30], training={"clip": None, "epochs": 1},
        progress="json",
    )  # fmt: skip
    assert result.params["lr"] == 1e-3
    assert "lr 1e+30 is left out: the loss is" in capsys.readouterr().err


def test_what_is_no_backbone_or_training_is_told() -> None:
    with pytest.raises(InputError, match=r"backbone is a str; finetune takes load_backbone"):
        run.finetune("tiny_vit14", pictures(4))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="training is a dict"):
        run.finetune(make_tiny(), pictures(4), "full", {"epochs": 1})  # type: ignore[arg-type]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(b"")
    with pytest.raises(InputError, match="holds other things than a training"):
        trained(make_tiny(), pictures(24), "bitfit", folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == ["film.png"]


def test_an_export_is_called_after_its_training(tmp_path: Path) -> None:
    run = tmp_path / "our-run"
    trained(make_tiny(), pictures(24), "bitfit", folder=run, training={"epochs": 1})
    assert fp.load_backbone(run / "backbone").name == "our-run"
    trained(make_tiny(), pictures(24), "frozen", folder=tmp_path / "control")
    assert not (tmp_path / "control" / "backbone").exists()  # nothing of it was trained


def test_the_loss_that_is_not_finite_is_told() -> None:
    with pytest.raises(InputError, match=r"the loss is (nan|inf) at step .* smaller --lr"):
        trained(make_tiny(), pictures(40), "full", training={"lr": 1e30, "clip": None})


def test_too_little_memory_is_told(monkeypatch) -> None:
    def full(*_args, **_more):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("featprobe.finetuning.loop._step", full)
    expected = r"cpu has too little memory for 8 items at once; use --accumulate 2, --checkpointing"
    with pytest.raises(InputError, match=expected):
        trained(make_tiny(), pictures(40), "full")


def test_a_batch_of_one_and_batchnorm() -> None:
    net = fp.load_backbone("resnet18", init="random", image_size=32)
    with pytest.raises(InputError, match="BatchNorm.*larger --batch"):
        trained(net, pictures(20), "full", training={"batch": 1})


def test_a_checkpoint_of_other_classes_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(make_tiny(), pictures(24), "bitfit", folder=run, training={"epochs": 1})
    with pytest.raises(
        InputError, match=r"its head has 2 \(class0, class1\) outputs, .* 3 \(class"
    ):
        trained(make_tiny(), pictures(24, classes=3), "bitfit", folder=run, training={"epochs": 1})
    with pytest.raises(InputError, match="different: training"):
        trained(make_tiny(), pictures(24), "bitfit", folder=run, training={"epochs": 2})


def test_features_without_gradients_are_refused(monkeypatch) -> None:
    class Dead(Recipe):
        name = "dead"

        def apply(self, backbone) -> Trainable:
            backbone.module.requires_grad_(True)
            forward = backbone.module.forward
            backbone.module.forward = torch.no_grad()(forward)
            return Trainable(backbone, [], lambda: backbone)

    from featprobe.finetuning.run import finetune

    with pytest.raises(InputError, match="recipe dead: no gradient arrives at backbone"):
        finetune(make_tiny(), pictures(24), Dead(), Training(epochs=1), device="cpu", workers=0)


@pytest.mark.slow
def test_statistics_of_frozen_batchnorm_stay_and_of_trained_ones_move(monkeypatch) -> None:
    states = {}
    original = fitting.run_trial

    def spy(experiment, *more):
        state = original(experiment, *more)
        states[experiment.recipe.name] = dict(state.backbone.module.named_buffers())
        return state

    monkeypatch.setattr(fitting, "run_trial", spy)
    net = fp.load_backbone("resnet18", init="random", image_size=32)
    before = {n: b.clone() for n, b in net.module.named_buffers()}
    for recipe in ("norm-only", "full"):
        trained(net, pictures(20), recipe, training={"epochs": 1, "lr": 1e-4})
    same = [torch.equal(before[n], b) for n, b in states["norm-only"].items()]
    moved = [not torch.equal(before[n], b) for n, b in states["full"].items()]
    assert len(same) > 40
    assert all(same)
    assert all(moved)


def test_ema_is_what_is_scored(cache: Path, monkeypatch) -> None:
    seen = []
    original = Average.copy

    def copy(self):
        seen.append(self.steps)
        original(self)

    monkeypatch.setattr(Average, "copy", copy)
    trained(make_tiny(), pictures(40), "bitfit", training={"ema": 0.9, "keep": "last"})
    assert seen == [3, 6, 9, 9]  # at the end of each epoch, and for good


def test_late_fusion_is_refused() -> None:
    from featprobe.images.decoded_image import FrameRecipe

    data = pictures(20)
    data.recipe = FrameRecipe(modalities=("a", "b"), fusion="late")
    with pytest.raises(InputError, match="pooled apart cannot be trained through"):
        trained(make_tiny(), data, "full")


@pytest.mark.slow
def test_augmented_pictures_are_what_the_network_learns_from(monkeypatch) -> None:
    seen: dict[bool, list[float]] = {}
    for augmented in (False, True):
        training = {"epochs": 2, "augment": ("brightness",) if augmented else ()}
        seen[augmented] = losses(trained(make_tiny(), pictures(24), "full", training=training))
    assert seen[True] != seen[False]
    monkeypatch.setattr("featprobe.finetuning.loop.augment_both", lambda x, y, *_: (x, y))
    without = losses(
        trained(make_tiny(), pictures(24), "full", training={"epochs": 2, "augment": ("flip",)})
    )
    assert without == seen[False], "nothing but augmentation differs"
