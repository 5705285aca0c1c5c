"""Layouts of residual and focal networks."""

from __future__ import annotations

import torch

from featprobe.backbones.formats.layout import Layout, Rule, rule

STAGES = range(1, 5)


def _resnet() -> tuple[Rule, ...]:
    """torchvision numbers stages and convolutions from 1, transformers from 0."""
    stem = "embedder.embedder"
    rules = [
        rule("conv1.weight", f"{stem}.convolution.weight"),
        rule("bn1.{s}", f"{stem}.normalization.{{s}}"),
    ]
    for stage in STAGES:
        source, target = f"layer{stage}.{{n}}", f"encoder.stages.{stage - 1}.layers.{{n}}"
        for i in range(3):
            conv = f"{target}.layer.{i}"
            rules += [
                rule(f"{source}.conv{i + 1}.weight", f"{conv}.convolution.weight"),
                rule(f"{source}.bn{i + 1}.{{s}}", f"{conv}.normalization.{{s}}"),
            ]
        short = f"{target}.shortcut"
        rules += [
            rule(f"{source}.downsample.0.weight", f"{short}.convolution.weight"),
            rule(f"{source}.downsample.1.{{s}}", f"{short}.normalization.{{s}}"),
        ]
    return tuple(rules)


RESNET = Layout(
    name="ResNet (torchvision, LVM-Med, DINO)",
    families=("resnet",),
    marks=(r"layer[1-4]\.\d+\.conv[12]\.weight$",),
    rules=_resnet(),
    dropped={
        r"(teacher|student)\.(module\.)?head\.": "self-supervised head",
        r"(.*\.)?student\.": "student beside its teacher",
    },
    beside={r"(fc|head)\.": "classification head"},
    # counted from torch 0.4.1 on; read by training only
    filled={r".*\.num_batches_tracked": torch.tensor(0)},
)

_BLOCK, _LAYER = "layers.{n}.blocks.{m}", "encoder.stages.{n}.layers.{m}"
_FOCAL = (
    rule("patch_embed.proj.{p}", "embeddings.patch_embeddings.projection.{p}"),
    rule("patch_embed.norm.{p}", "embeddings.norm.{p}"),
    rule(f"{_BLOCK}.norm1.{{p}}", f"{_LAYER}.norm1.{{p}}"),
    rule(f"{_BLOCK}.norm2.{{p}}", f"{_LAYER}.norm2.{{p}}"),
    rule(f"{_BLOCK}.gamma_1", f"{_LAYER}.gamma_1"),
    rule(f"{_BLOCK}.gamma_2", f"{_LAYER}.gamma_2"),
    rule(f"{_BLOCK}.mlp.fc1.{{p}}", f"{_LAYER}.mlp.fc1.{{p}}"),
    rule(f"{_BLOCK}.mlp.fc2.{{p}}", f"{_LAYER}.mlp.fc2.{{p}}"),
    rule(f"{_BLOCK}.modulation.f.{{p}}", f"{_LAYER}.modulation.projection_in.{{p}}"),
    rule(f"{_BLOCK}.modulation.h.{{p}}", f"{_LAYER}.modulation.projection_context.{{p}}"),
    rule(f"{_BLOCK}.modulation.proj.{{p}}", f"{_LAYER}.modulation.projection_out.{{p}}"),
    rule(f"{_BLOCK}.modulation.ln.{{p}}", f"{_LAYER}.modulation.layernorm.{{p}}"),
    *(
        rule(
            f"{_BLOCK}.modulation.focal_layers.{i}.0.weight",
            f"{_LAYER}.modulation.focal_layers.{i}.0.weight",
        )
        for i in range(5)
    ),
    rule("layers.{n}.downsample.proj.{p}", "encoder.stages.{n}.downsample.projection.{p}"),
    rule("layers.{n}.downsample.norm.{p}", "encoder.stages.{n}.downsample.norm.{p}"),
)
_MODULATION = r"layers\.\d+\.blocks\.\d+\.modulation\.(f|h|proj)\."
XDECODER = Layout(
    name="FocalNet of X-Decoder and SEEM (microsoft/X-Decoder)",
    families=("focalnet",),
    marks=(_MODULATION, r"norm[0-3]\.(weight|bias)$"),
    rules=(*_FOCAL, rule("norm3.{p}", "layernorm.{p}")),
    dropped={
        r"(model\.)?(sem_seg_head|criterion)\.": "segmentation, language and losses",
        r"(model\.)?pixel_(mean|std)$": "statistics of the preprocessing",
    },
    beside={r"norm[0-2]\.": "norm of an output before the last stage"},
)
FOCALNET = Layout(
    name="FocalNet (microsoft/FocalNet)",
    families=("focalnet",),
    marks=(_MODULATION,),
    rules=(*_FOCAL, rule("norm.{p}", "layernorm.{p}")),
    beside={r"head\.": "classification head"},
)
