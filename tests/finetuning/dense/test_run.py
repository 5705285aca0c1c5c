"""Fine-tuning to masks, from images to Results beside those of decoders on stored tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import featprobe as fp
from featprobe.backbones.source import drawn
from featprobe.core.errors import InputError, Unfinished, UnknownName
from featprobe.evaluation import results
from featprobe.evaluation.protocols import Full
from featprobe.features.tokens import TokenSet
from featprobe.finetuning.checkpoint import weights_of
from featprobe.finetuning.dense import plan as planning
from featprobe.finetuning.dense.judging import fitted_of, seen_items
from featprobe.finetuning.fit import fit
from featprobe.finetuning.loader import MicroBatch
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.leaderboard.board import build
from featprobe.leaderboard.compare import compare
from featprobe.leaderboard.rank_ranges import RankRanges
from featprobe.leaderboard.row_labels import probe_name
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.fitted import of_item, segmented
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.losses import Loss
from featprobe.segmentation.predict import predict_masks
from featprobe.segmentation.run import segment
from featprobe.segmentation.saving import read_decoder
from featprobe.segmentation.training import Training as DecoderTraining
from featprobe.solvers.training import batches
from tests.conftest import make_tiny
from tests.finetuning.dense.volumes import QUICK, boxes, tuned


def planned(data, recipe="full", options=None, training=None, asked=None, cache=None, lrs=()):
    return planning.plan(
        make_tiny(), data, make_recipe(recipe, **(options or {})),
        fp.Training(**{**QUICK, **(training or {})}), asked or fp.Segmentation(), lrs=lrs,
        subset=1.0, split_version=2, cache=cache, folder=None, device="cpu", workers=0,
        progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("recipe", ["full", "last-n", "lora", "bitfit", "norm-only", "frozen"])
def test_recipes_lower_the_loss_and_are_kept_beside_frozen_decoders(
    recipe: str, cache: Path
) -> None:
    data = boxes()
    options = {"last-n": {"blocks": 1}}.get(recipe)
    r = tuned(make_tiny(), data, recipe, options, {"epochs": 5})
    losses = [e["loss"] for e in r.provenance["history"]]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert r.task == "segmentation"
    assert {"dice", "hd95", "pooled_dice"} <= r.metrics.keys()
    assert r.cost["trainable"] < r.cost["parameters"]
    (kept,) = results.read(cache)
    assert kept.to_json() == r.to_json()
    scored = results.scored(cache, kept)
    assert scored.mean(["dice"])["dice"] == pytest.approx(r.metrics["dice"])
    folder = Path(r.provenance["folder"])
    assert (folder / "decoder.safetensors").is_file()
    assert (folder / "backbone").is_dir() == (recipe != "frozen")


@pytest.mark.parametrize("decoder", ["multi", "unet", "conv", "dpt"])
def test_every_network_among_decoders_trains(decoder: str, cache: Path) -> None:
    options = {"multi": {"blocks": 2}, "unet": {"blocks": 2, "widths": (8,)}}.get(decoder, {})
    if decoder == "dpt":
        backbone = fp.load_backbone("tiny_vit14", image_size=28)
    else:
        backbone = make_tiny()
    made = make_decoder(decoder, **options)
    r = tuned(backbone, boxes(8, 2), "last-n", {"blocks": 1}, {"epochs": 2}, made)
    assert r.params["decoder"] == decoder
    assert 0 <= r.metrics["dice"] <= 1


@pytest.mark.slow
def test_training_the_backbone_beats_the_position_of_the_box(cache: Path) -> None:
    data = boxes(40, 2, side=56)
    backbone = fp.load_backbone("tiny_vit14", init="random", image_size=56)
    r = tuned(backbone, data, training={"epochs": 12, "batch": 16, "lr": 3e-4})
    tokens = TokenSet(fp.extract(backbone, data, features=["tokens"], workers=0), data)
    (base,) = segment(MaskedItems(tokens), make_decoder("position"), Full(refit=False), save=True)
    assert base.split["digest"] == r.split["digest"]
    assert r.metrics["dice"] > base.metrics["dice"] + 0.1
    assert r.metrics["dice"] > 0.8


def test_the_frozen_recipe_is_the_decoder_trained_on_stored_tokens(cache: Path) -> None:
    """The same steps by torch alone on the tokens of the store; frames are kept in 16 bits, tokens
    in float32, so sums differ in the last digits."""
    data, t = boxes(noise=20), fp.Training(**{**QUICK, "keep": "last", "weight_decay": 0.0})
    e = planned(data, "frozen", training=vars(t), cache=cache)
    state = fit(e)
    features = fp.extract(
        make_tiny(), data, features=["tokens"], dtype="float32", cache=cache, workers=0
    )
    masked = MaskedItems(TokenSet(features, data))
    assert masked.size == e.masked.size
    rows = np.concatenate([[(i, k) for k in range(3)] for i in e.data.split.train])
    decoder = make_decoder("linear")
    with drawn(0):
        make_recipe("frozen").apply(make_tiny())
        net = decoder.network(masked.shape(decoder)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=t.head_lr, weight_decay=0)
    steps = e.steps
    warm = max(1, round(t.warmup * steps))
    for step, chosen in enumerate(batches(len(rows), t.batch, steps, 0)):
        rate = (step + 1) / warm if step < warm else None
        if rate is None:
            rate = 0.5 * (1 + np.cos(np.pi * (step + 1 - warm) / (steps - warm)))
        optimizer.param_groups[0]["lr"] = QUICK["head_lr"] * rate
        x = np.stack([masked.tokens.tokens(i, 1)[k] for i, k in rows[chosen]])
        y = np.stack([masked.target(i)[k] for i, k in rows[chosen]])
        logits = F.interpolate(net(torch.from_numpy(x).float()), masked.size, mode="bilinear")
        p, target = logits.softmax(1), F.one_hot(torch.from_numpy(y).long(), 2).permute(0, 3, 1, 2)
        both, sums = (p * target).sum((0, 2, 3)), p.sum((0, 2, 3)) + target.sum((0, 2, 3))
        loss = F.cross_entropy(logits, torch.from_numpy(y).long()) + (1 - 2 * both / sums).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    ours, theirs = state.network.head.decoder.state_dict(), net.state_dict()
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_a_whole_one(
    cache: Path, tmp_path: Path
) -> None:
    data, how = boxes(), {"epochs": 4, "augment": ("noise", "rotate"), "ema": 0.5}
    conv = fp.Segmentation("conv")
    whole = weights_of(fit(planned(data, training=how, asked=conv, cache=tmp_path / "whole")))
    asked = iter([False] * 4 + [True])
    with pytest.raises(Unfinished, match="goes on from there"):
        fit(planned(data, training=how, asked=conv, cache=cache), lambda: next(asked))
    again = weights_of(fit(planned(data, training=how, asked=conv, cache=cache)))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[n], again[n]) for n in whole)


@pytest.mark.slow
def test_val_items_choose_a_rate(cache: Path) -> None:
    r = tuned(make_tiny(), boxes(), "last-n", {"blocks": 1}, {"lr": None}, lrs=(1e-9, 3e-2))
    assert r.searched == ["lr"]
    assert r.settings["lrs"] == [1e-9, 3e-2]
    assert r.params["lr"] in r.settings["lrs"]
    assert r.val["dice"] == max(e["val"] for e in r.provenance["history"])


def test_the_export_gives_new_images_what_the_network_gave(cache: Path, tmp_path: Path) -> None:
    data = boxes()
    e = planned(data, "lora", asked=fp.Segmentation("conv"), cache=cache)
    state = fit(e)
    i = int(e.data.split.test[0])
    p = of_item(fitted_of(state), seen_items(state), i)
    said = segmented(fitted_of(state), seen_items(state), i)
    r = tuned(make_tiny(), data, "lora", decoder="conv")
    folder = Path(r.provenance["folder"])
    assert folder == e.folder
    saved = read_decoder(folder / "decoder.safetensors")
    backbone = fp.load_backbone(folder / "backbone")
    whole = fp.extract(backbone, data, features=["tokens"], dtype="float32", workers=0)
    tokens = TokenSet(whole, data)
    x = torch.from_numpy(tokens.tokens(i)).float()
    image = torch.from_numpy(tokens.images(i, saved.shape.size)).float()
    again = saved.fitted.probabilities(x, image, saved.shape.size, np.zeros(3))[0].numpy()
    np.testing.assert_allclose(again, p, atol=2e-3)
    found = {s.id: s for s in predict_masks(saved, backbone, data, tmp_path, workers=0)}
    assert found[str(data.ids[i])].voxels == [int((said == 1).sum())]


@pytest.mark.slow
def test_frozen_and_unfrozen_are_compared_on_the_same_items_only(cache: Path) -> None:
    data = boxes(60, 1)
    backbone = make_tiny()
    tokens = TokenSet(fp.extract(backbone, data, features=["tokens"], workers=0), data)
    quick = DecoderTraining(lr=(1e-2,), epochs=2, min_steps=1)
    (frozen,) = segment(MaskedItems(tokens), make_decoder("linear"), training=quick, save=True)
    unfrozen = tuned(backbone, data, training={"epochs": 1})
    assert frozen.split["digest"] == unfrozen.split["digest"]
    assert frozen.labels == unfrozen.labels
    assert frozen.sizes["fit"] == unfrozen.sizes["fit"]
    ((one,), notes) = compare(cache, [frozen, unfrozen], between="all")
    assert not notes
    assert {one.one.probe, one.other.probe} == {"segment", "finetune"}
    rows = build([frozen, unfrozen], stand=RankRanges(cache))
    assert sorted(r.rank for r in rows) == [1, 2]
    assert {probe_name(r.result) for r in rows} == {"segment linear", "finetune full linear"}
    other = tuned(backbone, data, training={"epochs": 1, "seed": 1})
    with pytest.raises(InputError, match="nothing|compare"):
        compare(cache, [frozen, other], between="all")


def test_masks_that_overlap_have_a_decision_each(cache: Path, tmp_path: Path) -> None:
    """Pictures with two boxes over each other and a mask for each, of three channels in part."""
    rng = np.random.default_rng(0)
    for name in ("images", "low", "high"):
        (tmp_path / name).mkdir()
    for i in range(10):
        both = np.zeros((2, 28, 28), np.uint8)
        both[0, 2:18, 2:18], both[1, 8:26, 8:26] = 1, 1
        x = rng.normal(90, 5, (28, 28)) + 60 * both[0] + 90 * both[1]
        x = x.clip(0, 255).astype(np.uint8)
        colours = np.stack([x, x, 255 - x], -1) if i % 2 else x
        Image.fromarray(colours).save(tmp_path / "images" / f"p{i}.png")
        for name, mask in zip(("low", "high"), both):
            Image.fromarray(mask * 255).save(tmp_path / name / f"p{i}.png")
    named = [f"{name}={tmp_path / name}" for name in ("low", "high")]
    data = fp.load_dataset(tmp_path / "images", masks=named)
    r = tuned(
        make_tiny(), data, "last-n", {"blocks": 1},
        {"epochs": 2, "augment": ("flip", "rotate")}, decoder="conv",
    )  # fmt: skip
    assert {"dice:low", "dice:high"} <= r.metrics.keys()
    saved = read_decoder(Path(r.provenance["folder"]) / "decoder.safetensors")
    assert saved.multilabel
    assert saved.shape.channels == 3
    backbone = fp.load_backbone(Path(r.provenance["folder"]) / "backbone")
    assert len(list(predict_masks(saved, backbone, data, tmp_path / "out", workers=0))) == 10
    tokens = TokenSet(fp.extract(make_tiny(), data, features=["tokens"], workers=0), data)
    quick = DecoderTraining(lr=(1e-2,), epochs=1, min_steps=1)
    (frozen,) = segment(MaskedItems(tokens), make_decoder("conv"), training=quick)
    assert frozen.split["digest"] == r.split["digest"]
    assert saved.classes == ("low", "high")


def test_void_has_no_part_and_a_refit_takes_val_too(cache: Path) -> None:
    data = boxes()
    e = planned(data, training={"refit": True}, cache=cache)
    e.loader.masked.target(0)[:] = 255  # as a mask that is not known anywhere
    whole = e.trial(1e-3, 2)
    assert len(whole.fit) == 3 * len(np.r_[e.data.split.train, e.data.split.val])
    assert whole.steps == 2 * -(-len(whole.fit) // 8)
    frame = whole.loader.read(MicroBatch(whole.fit[:2]))
    assert frame[2].shape == (2, *e.masked.size)
    logits = torch.randn(2, 2, *e.masked.size)
    assert float(e.objective(logits, torch.full_like(frame[2], 255))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"balanced": True}, "balanced has no effect on segmentation: give --set weights"),
        ({"pool": "max"}, "pool has no effect"),
        ({"train_frames": 2}, "--batch counts frames"),
        ({"view": "mean"}, "view has no effect"),
        ({"head_dropout": 0.1}, "head_dropout has no effect"),
        ({"standardize": False}, "standardize has no effect"),
        ({"select": "auroc"}, "chosen by dice or log_loss"),
    ],
)
def test_settings_without_effect_are_refused(training, told: str, cache: Path) -> None:
    with pytest.raises(InputError, match=told):
        tuned(make_tiny(), boxes(4), training=training)


def test_what_cannot_be_trained_is_one_line(cache: Path) -> None:
    bare = boxes(4)
    bare.masks = None
    with pytest.raises(InputError, match="boxes has no masks, which --task segmentation needs"):
        tuned(make_tiny(), bare)
    for name in ("knn", "logistic", "position", "unet2d"):
        with pytest.raises(InputError, match=f"decoder {name} is nothing that a backbone trains"):
            fp.Segmentation(name)
    with pytest.raises(UnknownName, match="unknown decoder"):
        fp.Segmentation("linaer")
    with pytest.raises(InputError, match="takes the tokens of the last 9 blocks"):
        tuned(make_tiny(), boxes(4), decoder=make_decoder("multi", blocks=9))
    with pytest.raises(InputError, match="lp-ft starts from the logistic probe"):
        tuned(make_tiny(), boxes(4), "lp-ft")
    with pytest.raises(InputError, match="level patient is of scores of items"):
        tuned(make_tiny(), boxes(4), level="patient")
    asked = fp.Segmentation(loss=Loss("dice"))
    with pytest.raises(InputError, match="smoothing has no effect with loss dice"):
        tuned(make_tiny(), boxes(4), asked=asked, training={"smoothing": 0.1})
