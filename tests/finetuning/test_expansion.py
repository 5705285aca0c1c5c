"""recipes/block_expansion.py: identity at the start, transformers' own network after training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, AutoModel

from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError
from featprobe.finetuning.export import export
from featprobe.finetuning.recipes.block_expansion import BlockExpansion, _deepen
from tests.backbones.test_families import SAM, TOKENS, pictures, saved, small
from tests.finetuning.tuned import features, small_backbone, trained


def last_blocks(backbone, x):
    names = [n for n in backbone.outputs if n != "tokens"]
    return backbone.forward(x, blocks=1, outputs=[*names, "tokens"])


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_features_at_the_start_are_those_of_the_original_exactly(kind, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path)
    x = pictures(32, 32)
    before = last_blocks(backbone, x)
    depth = backbone.adapter.blocks
    tuned = BlockExpansion(blocks=2).apply(backbone)
    after = last_blocks(tuned.backbone, x)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[n], after[n]) for n in before)
    assert backbone.outputs["mean"][0] == depth + 2
    assert len(backbone.adapter.blocks_of(backbone.module)) == depth + 2


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_only_the_copies_train_and_all_of_each(kind, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path)
    originals = {id(p): p.clone() for p in backbone.module.parameters()}
    tuned, moved = trained(backbone, BlockExpansion(blocks=3), steps=3)
    for p in backbone.module.parameters():
        if id(p) in originals:
            assert torch.equal(p, originals[id(p)])
            assert not p.requires_grad
    new = {n for n, p in backbone.module.named_parameters() if id(p) not in originals}
    assert new
    # softmax does not see the bias of keys: its gradient is zero but for rounding
    assert {n for n in new - moved if not n.endswith(("key.bias", "k_proj.bias"))} == set()
    assert len(tuned.live) == 3


@pytest.mark.parametrize("kind", ["dinov2", "vit", "beit", "clip_vision_model", "dinov3_vit"])
def test_a_trained_one_saves_and_loads_as_a_folder_of_transformers(kind, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path)
    depth = backbone.adapter.blocks
    tuned, _ = trained(backbone, BlockExpansion(blocks=2))
    before = features(tuned.backbone)
    folder = export(tuned.plain(), tmp_path / "out", {"recipe": "block-expansion"}).folder
    again = load_backbone(folder)
    assert again.outputs["mean"][0] == depth + 2
    assert again.config == backbone.config
    after = features(again)
    assert all(torch.equal(before[n], after[n]) for n in before)
    theirs, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert theirs.config.num_hidden_layers == depth + 2
    assert not info["unexpected_keys"]
    assert not {k for k in info["missing_keys"] if "pooler" not in k}
    with torch.inference_mode():
        last = theirs.eval()(pixel_values=pictures(32, 32)).last_hidden_state
        last = theirs.post_layernorm(last) if kind == "clip_vision_model" else last
    torch.testing.assert_close(after["cls"][:, -1], last[:, 0], rtol=1e-5, atol=1e-5)
    bare = small_backbone(kind, tmp_path / "again")
    assert (features(bare)["cls"][:, -1] - after["cls"][:, -1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("depth", "blocks", "behind"),
    [(12, 3, (4, 8, 12)), (12, 1, (12,)), (4, 3, (1, 2, 4)), (3, 3, (1, 2, 3))],
)
def test_copies_come_behind_each_group(depth, blocks, behind, tmp_path) -> None:
    backbone = small_backbone("dinov2", tmp_path, num_hidden_layers=depth)
    layers = list(backbone.module.encoder.layer)
    tuned = BlockExpansion(blocks=blocks).apply(backbone)
    place = {id(layer): i + 1 for i, layer in enumerate(layers)}
    found, last = [], 0
    for layer in backbone.module.encoder.layer:
        last = place.get(id(layer), last)
        if id(layer) not in place:
            found.append(last)
            original = layers[last - 1]
            assert torch.equal(layer.mlp.fc1.weight, original.mlp.fc1.weight)
            assert any(layer is m for m in tuned.live)
            assert not layer.layer_scale1.lambda1.any()
    assert tuple(found) == behind


def test_sams_windows_go_with_their_blocks(tmp_path) -> None:
    backbone = load_backbone(saved(tmp_path / "sam", small("sam_vision_model", SAM), 64))
    x = pictures(64, 64)
    before = backbone.forward(x, outputs=["mean"])["mean"]
    tuned, _ = trained(backbone, BlockExpansion(blocks=3), steps=0)
    assert backbone.config["global_attn_indexes"] == [2, 3]
    assert [b.window_size for b in backbone.adapter.blocks_of(backbone.module)] == [
        4, 4, 0, 0, 4, 4,
    ]  # fmt: skip
    assert torch.equal(backbone.forward(x, outputs=["mean"])["mean"], before)
    again = load_backbone(export(tuned.plain(), tmp_path / "out", {}).folder)
    assert torch.equal(again.forward(x, outputs=["mean"])["mean"], before)


def test_lists_with_a_value_for_each_block_grow_with_it() -> None:
    config = SimpleNamespace(
        num_hidden_layers=3, layer_types=["a", "b", "c"], global_attn_indexes=[0, 2]
    )
    _deepen(config, [0, 1, 1, 2, 2])
    assert config.layer_types == ["a", "b", "b", "c", "c"]
    assert config.global_attn_indexes == [0, 3, 4]
    assert config.num_hidden_layers == 5


@pytest.mark.parametrize("kind", ["swin", "convnext", "resnet", "hiera"])
def test_networks_in_stages_are_refused(kind, tmp_path) -> None:
    backbone = small_backbone(kind, tmp_path, 64)
    with pytest.raises(InputError, match="not for networks in stages or of other.*use lora"):
        BlockExpansion().apply(backbone)


def test_blocks_that_are_more_than_a_residual_are_refused_and_nothing_changes(tmp_path) -> None:
    backbone = small_backbone("vit", tmp_path)
    x = pictures(32, 32)
    backbone.module.layers[2].register_forward_hook(lambda _m, _a, out: out + 1)
    before, config = last_blocks(backbone, x), dict(backbone.config)
    with pytest.raises(InputError, match="do not become the identity"):
        BlockExpansion(blocks=1).apply(backbone)
    assert backbone.config == config
    assert backbone.module.config.num_hidden_layers == len(backbone.module.layers) == 3
    assert torch.equal(last_blocks(backbone, x)["mean"], before["mean"])


def test_more_copies_than_blocks_are_refused(tmp_path) -> None:
    backbone = small_backbone("vit", tmp_path)
    for blocks in (0, 4):
        with pytest.raises(InputError, match=f"has 3 blocks: blocks={blocks} of block-expansion"):
            BlockExpansion(blocks=blocks).apply(backbone)


@pytest.mark.parametrize("kind", ["dinov2", "dinov3_vit", "vitdet", "beit"])
def test_stages_of_a_deeper_network_are_those_of_one_made_so(kind: str) -> None:
    config = AutoConfig.for_model(kind, num_hidden_layers=3)
    made = AutoConfig.for_model(kind, num_hidden_layers=5)
    if not hasattr(made, "stage_names"):
        pytest.skip("no backbone of transformers here")
    _deepen(config, [0, 1, 1, 2, 2])
    assert config.stage_names == made.stage_names
    assert config.stage_names[-1] == "stage5"
    assert list(config.out_features) == list(made.out_features) == ["stage5"]
    assert list(config.out_indices) == list(made.out_indices) == [5]
