"""backbones/load.py: everything that can name a backbone."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, ViTConfig

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.hub_files import fetched
from featprobe.backbones.load import load_backbone
from featprobe.backbones.spec import ModelSpec, Preprocess
from featprobe.core import plugins
from featprobe.core.errors import FeatprobeError, InputError, MissingPath
from tests.backbones import golden

CONFIG = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small ViT as transformers saves it."""
    torch.manual_seed(0)
    path = tmp_path / "vit"
    AutoModel.from_config(ViTConfig(**CONFIG), add_pooling_layer=False).save_pretrained(path)
    processor = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32},
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (path / "preprocessor_config.json").write_text(json.dumps(processor))
    return path


def spec(**changes) -> ModelSpec:
    fields = {
        "name": "mine", "family": "dinov2", "width": 48, "blocks": 5, "parameters": 0.1,
        "preprocess": Preprocess(resize=(56, 56), crop=None), "patch": 14,
    }  # fmt: skip
    place = "source" if "source" in ModelSpec.__dataclass_fields__ else "hub_id"
    return ModelSpec(**{place: "", **fields, **changes})


# -- YAML -----------------------------------------------------------------------------------------


def test_a_yaml_names_a_folder_beside_it(folder: Path) -> None:
    path = folder.parent / "our_vit.yaml"
    path.write_text("name: our_vit\npath: vit\n")
    one, other = load_backbone(path), load_backbone(folder)
    assert one.name == "our_vit"
    assert one.preprocess == other.preprocess
    assert one.weights_sha256 == other.weights_sha256


def test_a_yaml_may_bring_its_own_preprocessing_and_weights(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    (folder / "model.safetensors").rename(folder.parent / "trained.safetensors")
    path = folder.parent / "mine.yaml"
    path.write_text(
        "path: vit\nweights: trained.safetensors\npreprocess:\n  resize: 40\n  crop: [32, 32]\n"
        "  interpolation: bilinear\n  mean: [0, 0, 0]\n  std: [1, 1, 1]\n"
    )
    backbone = load_backbone(path)
    assert backbone.preprocess == Preprocess(40, (32, 32), "bilinear", (0, 0, 0), (1, 1, 1))
    assert backbone.name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: vit", "needs at least 'path: FOLDER'"),
        ("pth: vit", "unknown key 'pth'. Did you mean 'path'"),
        ("path: vit\nweight: x", "unknown key 'weight'. Did you mean 'weights'"),
        ("path: ./gone", "no such model folder"),
        ("path: [", "not readable as YAML"),
        ("path: vit\npreprocess: {size: 3}", "preprocess: .*size"),
        ("path: vit\npreprocess: 3", "preprocess must be a mapping"),
        ("path: vit\nweights: gone.pth", "gone.pth: no such"),
    ],
)
def test_a_yaml_that_does_not_fit_says_why(folder: Path, text: str, message: str) -> None:
    path = folder.parent / "bad.yaml"
    path.write_text(text)
    with pytest.raises(FeatprobeError, match=message):
        load_backbone(path)


def test_a_yaml_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingPath, match=r"nowhere\.yaml: no such file"):
        load_backbone("nowhere.yaml")


def test_the_random_twin_of_weights_saved_in_half_precision_is_whole(folder: Path) -> None:
    whole = load_backbone(folder, init="random").weights_sha256
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    half = load_backbone(folder, init="random")
    assert {p.dtype for p in half.module.parameters()} == {torch.float32}
    assert half.weights_sha256 == whole


# -- entry points ---------------------------------------------------------------------------------


class Point:
    value = "their_package:SPEC"

    def __init__(self, name: str, thing: object) -> None:
        self.name, self.thing = name, thing

    def load(self) -> object:
        return self.thing


def announce(monkeypatch: pytest.MonkeyPatch, *points: Point) -> None:
    monkeypatch.setattr(plugins, "_groups", lambda path: {"featprobe.backbones": points})


def test_an_entry_point_of_another_package_is_a_name(folder: Path, monkeypatch) -> None:
    place = "source" if "source" in ModelSpec.__dataclass_fields__ else "hub_id"
    announce(monkeypatch, Point("their_vit", spec(**{place: str(folder)}, family="vit")))
    backbone = load_backbone("their_vit")
    assert backbone.name == "their_vit"
    assert backbone.preprocess.size == (56, 56)  # the entry's, not the folder's
    assert backbone.outputs["cls"] == (2, 32)


def test_an_entry_point_must_be_a_spec(monkeypatch) -> None:
    announce(monkeypatch, Point("odd", dict))
    with pytest.raises(InputError, match="their_package:SPEC .*expected a ModelSpec or a function"):
        load_backbone("odd")


# -- files ----------------------------------------------------------------------------------------


def linear(recipe: dict, blocks: str) -> dict[str, torch.Tensor]:
    """The linear head over 1 or 4 blocks of a golden."""
    head = recipe["heads"][blocks]
    return {k: torch.from_numpy(v) for k, v in golden.fill(head["keys"], head["seed"]).items()}


@pytest.fixture
def classifier(tmp_path: Path, monkeypatch) -> tuple[dict, dict, list[Path]]:
    """A small DINOv2 with its four-block classifier, as two files in the authors' layout."""
    recipe, expected = golden.read("dinov2_linear")
    backbone, head = tmp_path / "pretrain.pth", tmp_path / "linear4_head.pth"
    torch.save(golden.contents(recipe), backbone)
    torch.save(linear(recipe, "4"), head)
    config = {k: v for k, v in recipe["config"].items() if k != "model_type"}
    entry = spec(config={**config, "linear_head_blocks": 4, "num_labels": 7})
    monkeypatch.setitem(CATALOG, "mine_lc", entry)
    return recipe, expected, [backbone, head]


def test_the_linear_head_gives_the_authors_logits(classifier) -> None:
    recipe, expected, files = classifier
    backbone = load_backbone("mine_lc", weights=files)
    assert backbone.outputs["logits"] == (1, 7)
    for size in recipe["sizes"]:
        x = torch.from_numpy(golden.frames(*size, recipe["seed"]))
        out = backbone.forward(x, blocks=5, outputs=["logits", "cls", "mean"])
        for name, key in (("cls", "cls"), ("mean", "mean"), ("logits", "logits4")):
            theirs = torch.from_numpy(expected[f"{key}_{size[0]}x{size[1]}"])
            ours = out[name][:, 0] if name == "logits" else out[name]
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_linear_head_is_accounted_for_as_well(classifier, tmp_path: Path) -> None:
    recipe, _, (backbone, _) = classifier
    with pytest.raises(InputError, match="needs two weights files"):
        load_backbone("mine_lc", weights=backbone)
    other = tmp_path / "linear_head.pth"
    torch.save(linear(recipe, "1"), other)
    with pytest.raises(InputError, match=r"weight \(7, 96\) for \(7, 240\)"):
        load_backbone("mine_lc", weights=[backbone, other])
    with pytest.raises(InputError, match="not a linear head"):
        load_backbone("mine_lc", weights=[backbone, backbone])


def test_random_weights_give_a_random_head(classifier) -> None:
    one, again = (load_backbone("mine_lc", init="random", seed=3) for _ in range(2))
    assert one.weights_sha256 == again.weights_sha256
    assert one.forward(torch.zeros(1, 3, 56, 56), outputs=["logits"])["logits"].shape == (1, 1, 7)


@pytest.fixture
def served(tmp_path: Path, monkeypatch):
    """A loopback server of a folder, and torch.hub's own folder elsewhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    root = tmp_path / "served"
    root.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_files_are_downloaded_once_into_torch_hubs_folder(served, tmp_path: Path) -> None:
    root, address = served
    (root / "w.pth").write_bytes(b"first")
    path = fetched(f"{address}/w.pth?x=1")
    assert path == tmp_path / "torch" / "hub" / "checkpoints" / "w.pth"
    (root / "w.pth").write_bytes(b"second")
    assert fetched(f"{address}/w.pth").read_bytes() == b"first"


def test_a_download_that_fails_says_where_to_put_the_file(served) -> None:
    _, address = served
    with pytest.raises(InputError, match=r"gone\.pth could not be downloaded .*404.*put the file"):
        fetched(f"{address}/gone.pth")


def test_a_model_published_as_files_is_loaded_from_them(served, classifier, monkeypatch) -> None:
    root, address = served
    _, _, files = classifier
    for path in files:
        (root / path.name).write_bytes(path.read_bytes())
    addresses = tuple(f"https://example.invalid/{f.name}" for f in files)
    from featprobe.backbones import hf

    monkeypatch.setattr(hf, "fetched", lambda a: fetched(f"{address}/{a.rsplit('/', 1)[1]}"))
    monkeypatch.setitem(CATALOG, "by_name", spec(config=CATALOG["mine_lc"].config, files=addresses))
    named, given = load_backbone("by_name"), load_backbone("mine_lc", weights=files)
    assert named.weights_sha256 == given.weights_sha256
    assert named.origin["weights"] == ["pretrain.pth", "linear4_head.pth"]


def test_a_model_published_as_a_file_elsewhere_asks_for_it(monkeypatch) -> None:
    monkeypatch.setitem(CATALOG, "by_hand", spec(files=("seem_focalt_v0.pt",)))
    with pytest.raises(InputError, match=r"as a file only: seem_focalt_v0\.pt; give it with --wei"):
        load_backbone("by_hand")
