"""The catalog of backbones: what it says is what its configurations build."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from featprobe.backbones.adapter_rules import LinearClassifier
from featprobe.backbones.catalog import CATALOG, merge
from featprobe.backbones.families import FAMILIES, plan
from featprobe.backbones.overlap import seen_in_pretraining
from featprobe.backbones.spec import ModelSpec, Preprocess
from featprobe.cli.main import main
from featprobe.cli.models import command
from featprobe.core.errors import InputError
from featprobe.datasets.load import CATALOG as DATA
from tests.test_imports import loaded

LIBRARIES = ("timm", "open_clip", "torchvision")
BUILT = sorted(n for n, s in CATALOG.items() if s.family not in LIBRARIES)

# The backbones of the studies that featprobe serves, with the width of their features.
STUDIED = {
    "DINOv2": {"dinov2_vits14": 384, "dinov2_vitb14": 768, "dinov2_vitl14": 1024,
               "dinov2_vitg14": 1536},
    "DINOv2 with registers": {"dinov2_vits14_reg": 384, "dinov2_vitb14_reg": 768,
                              "dinov2_vitl14_reg": 1024, "dinov2_vitg14_reg": 1536},
    "DINOv2 logits": {"dinov2_vits14_lc": 384, "dinov2_vitb14_lc": 768, "dinov2_vitl14_lc": 1024,
                      "dinov2_vitg14_lc": 1536},
    "DINO": {"dino_vitb16": 768},
    "ViT and DeiT": {"vit_l16": 1024, "vit_b16": 768, "deit_vitb16": 768},
    "MAE and MSN": {"mae_vitl16": 1024, "msn_vitl16": 1024},
    "CLIP": {"clip_vitl14": 1024, "clip_vith14_laion2b": 1280, "openclip_vitb16_laion2b": 768,
             "biomedclip_vitb16": 768, "eva02_clip_vitb16": 768},
    "SAM": {"sam_vitb16": 768, "sam_vitl16": 1024},
    "SEEM": {"seem_focalt": 768},
    "BLIP": {"blip_vitb16": 768},
    "ImageNet CNNs": {"resnet18": 512, "resnet50": 2048, "resnet101": 2048, "resnet152": 2048,
                      "densenet121": 1024, "densenet201": 1920, "vgg16": 4096, "vgg19": 4096,
                      "alexnet": 4096,
                      "efficientnet_b4": 1792, "inception_v3": 2048, "inception_v4": 1536,
                      "convnext_tiny": 768, "swin_tiny": 768},
    "medical": {"dinoret_vitb14": 768, "be_dinoret_vitb14": 768, "lvm_med_resnet50": 2048,
                "lvm_med_vitb16": 768, "retfound_cfp": 1024, "retfound_oct": 1024,
                "rad_dino": 768, "unoranic_plus": 128},
}  # fmt: skip


@pytest.mark.parametrize("row", sorted(STUDIED))
def test_the_backbones_of_the_studies_are_there_with_their_widths(row: str) -> None:
    assert {n: CATALOG[n].width for n in STUDIED[row]} == STUDIED[row]


def test_details_of_the_studies() -> None:
    assert len(CATALOG) >= 60
    assert CATALOG["be_dinoret_vitb14"].blocks == 15
    assert CATALOG["sam_vitb16"].preprocess.pad == (1024, 1024)
    assert "projection" in CATALOG["openclip_vitb16_laion2b"].outputs
    unoranic = CATALOG["unoranic_plus"]
    assert (unoranic.blocks, unoranic.patch, unoranic.preprocess.size) == (12, 4, (28, 28))
    assert unoranic.config["num_attention_heads"] == 16
    for name in ("s", "b", "l", "g"):  # the authors' rules for other input sizes
        plain, registers = (CATALOG[f"dinov2_vit{name}14{r}"].config for r in ("", "_reg"))
        assert (plain["interpolate_offset"], plain["interpolate_antialias"]) == (0.1, False)
        assert (registers["interpolate_offset"], registers["interpolate_antialias"]) == (0.0, True)
        four = CATALOG[f"dinov2_vit{name}14_lc"]
        assert (four.config["linear_head_blocks"], four.config["num_labels"]) == (4, 1000)
        assert [f.rsplit("/", 1)[1] for f in four.files] == [
            f"dinov2_vit{name}14_pretrain.pth", f"dinov2_vit{name}14_linear4_head.pth",
        ]  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_an_entry_says_what_its_config_builds(name: str) -> None:
    from transformers import AutoConfig

    spec = CATALOG[name]
    with torch.device("meta"):
        steps = plan(AutoConfig.for_model(spec.family, **spec.config))
        module = steps.finished(steps.build())
    if isinstance(module, LinearClassifier):
        module = module.backbone
    adapter = steps.adapter()
    millions = sum(p.numel() for p in module.parameters()) / 1e6
    assert millions == pytest.approx(spec.parameters, rel=0.01)
    assert adapter.outputs["mean"] == (spec.blocks, spec.width)
    if spec.patch:
        assert adapter.multiple == spec.patch
    heads = {"logits", "projection"}  # those belong to a checkpoint, not to a configuration
    assert set(adapter.outputs) - heads == set(spec.outputs) - heads
    assert all(side % adapter.multiple == 0 for side in spec.preprocess.size)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_an_entry_says_where_it_comes_from(name: str) -> None:
    spec = CATALOG[name]
    assert spec.name == name
    assert spec.licence
    assert spec.citation
    assert spec.pretraining
    assert spec.data
    assert all(spec.data)
    assert spec.source or spec.files or name == "unoranic_plus"
    assert spec.family in FAMILIES or spec.source.startswith(f"{spec.family}:")
    schemes = "timm|open_clip|torchvision|package"
    assert re.fullmatch(rf"(|[\w.-]+/[\w.-]+|({schemes}):[\w.:/-]+)", spec.source)
    assert set(spec.overlap) <= set(DATA.names())
    assert ModelSpec(**{**spec.__dict__}) == spec
    assert json.loads(json.dumps(spec.to_dict()))["name"] == name


def test_known_overlaps_are_listed() -> None:
    for name in ("rad_dino", "rad_dino_maira2"):
        assert set(CATALOG[name].overlap) == {
            "mimic_cxr_jpg", "chexpert", "nih_chestxray14", "chestmnist",
        }  # fmt: skip
    assert set(CATALOG["retfound_oct"].overlap) == {"octmnist"}
    assert not CATALOG["retfound_cfp"].overlap
    assert {"aptos2019", "isic2019", "lits17", "msd_spleen"} <= set(
        CATALOG["lvm_med_resnet50"].overlap
    )
    assert not CATALOG["dinov2_vitl14"].overlap


def test_overlap_is_found_by_name_hub_id_and_medmnists_sizes() -> None:
    assert seen_in_pretraining("rad_dino", "chexpert") == "it was trained on CheXpert"
    assert seen_in_pretraining("microsoft/rad-dino", "chexpert")
    assert seen_in_pretraining("rad_dino", "chestmnist_224")
    assert seen_in_pretraining("rad_dino", "montgomery") == ""
    assert seen_in_pretraining("dinov2_vitl14", "chexpert") == ""
    assert seen_in_pretraining("", "chexpert") == ""


def test_two_entries_of_one_name_are_refused() -> None:
    spec = CATALOG["resnet18"]
    with pytest.raises(InputError, match="two backbones are called 'resnet18'"):
        merge([[spec], [spec]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "main"}, "'main' is not a commit"),
        ({"outputs": ("cls", "heat")}, "'heat' is none of cls, mean"),
        ({"preprocess": None}, "preprocessing is given"),
        ({"family": "timm", "preprocess": None}, "source 'a/b' is not one of timm"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(changes: dict, message: str) -> None:
    fields = {
        "name": "x", "family": "vit", "source": "a/b", "width": 8, "blocks": 1, "parameters": 1.0,
        "preprocess": Preprocess(resize=256, crop=(224, 224)),
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        ModelSpec(**{**fields, **changes})


def test_listing_imports_no_torch() -> None:
    for arguments in (["models"], ["models", "show", "rad_dino"], ["models", "--json"]):
        code = (
            "from featprobe.cli.main import main\n"
            f"try: main({arguments!r})\nexcept SystemExit as e: assert e.code == 0"
        )
        assert loaded(code, "torch", "transformers", "timm", "open_clip") == set()


# -- the command ----------------------------------------------------------------------------------


def listed(*arguments: str) -> list[dict]:
    out = CliRunner().invoke(command, [*arguments, "--json"])
    assert out.exit_code == 0, out.output
    return json.loads(out.stdout)


def test_filters_of_the_list() -> None:
    assert len(listed()) == len(CATALOG)
    assert {s["family"] for s in listed("--family", "sam_vision_model")} == {"sam_vision_model"}
    assert {s["name"] for s in listed("--data", "mimic")} == {
        "rad_dino", "rad_dino_maira2", "medsiglip_448",
    }  # fmt: skip
    small = listed("--max-params", "25", "--output", "logits")
    assert small
    assert all(s["parameters"] <= 25 and "logits" in s["outputs"] for s in small)
    assert {s["name"] for s in listed("--search", "registers", "--max-params", "30")} >= {
        "dinov2_vits14_reg"
    }
    assert listed("--search", "nothing like it") == []


def test_showing_one_prints_lines_to_read() -> None:
    out = CliRunner().invoke(command, ["show", "rad_dino"]).stdout
    assert "\ndata         LVD-142M, MIMIC-CXR, CheXpert" in out
    assert "chexpert: it was trained on CheXpert" in out
    assert "\nfiles        -\n" in out
    assert not re.search(r"None|\[|\]|\{|\}|'", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "rad_dinno"], "unknown model 'rad_dinno'. Did you mean 'rad_dino'"),
        (["--family", "dinov22"], "unknown family 'dinov22'. Did you mean 'dinov2'"),
    ],
)
def test_unknown_names_offer_the_nearest(arguments: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *arguments])
    assert stopped.value.code
    assert message in capsys.readouterr().err


def test_the_table_of_the_documentation_is_the_catalog() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    table = CliRunner().invoke(command, ["--markdown"]).stdout.strip()
    assert table in page, "update it with: featprobe models --markdown"
    pinned = sum(s.revision is not None for s in CATALOG.values())
    assert f"{len(CATALOG)} backbones" in page
    assert f"{pinned} of them are pinned" in page
