"""Commands of the documentation run as they stand, page by page; others are parsed.

Names of backbones whose weights would have to be downloaded stand for small ones, and long
work is made short by further options; nothing else is changed.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from featprobe.cli.main import cli
from tests.docs.blocks import PAGES, ROOT, Block, blocks, commands

SHELL = [b for page in PAGES for b in blocks(page) if b.language == "sh"]
STANDS_FOR = {
    "dinov2_vits14": ("tiny_vit14",),
    "dinov2_vitb14": ("tiny_vit14",),
    "resnet50": ("tiny_vit14", "--init", "random"),
    "dinov2_vits14:cls + resnet50:mean": ("tiny_vit14@28:cls + tiny_vit14@28-random0:mean",),
    "unit(dinov2_vits14:cls) + unit(resnet50:mean)": (
        "unit(tiny_vit14@28:cls) + unit(tiny_vit14@28-random0:mean)",
    ),
    "dinov2_vits14/sgd": ("tiny_vit14@28/sgd",),
    "dinov2_vits14/sgd mean": ("tiny_vit14@28/sgd mean",),
    "112": ("56",),
    "128": ("8",),  # components: there are few films here
}
SHORT = {
    "extract": ("--image-size", "28", "--device", "cpu"),
    "finetune": ("--image-size", "28", "--epochs", "1", "--device", "cpu"),
    "segment": ("--epochs", "1"),
}
NOT_HERE = {
    "--weights": "files of other people's weights",
    "timm": "an optional library",
    "open_clip": "an optional library",
    "clip_vitl14": "weights",
    "dinov2_vitl14": "weights",
    "zeroshot": "the text tower of weights that are not here",
    "retrieval": "captions, and the text tower of weights that are not here",
    "--engine": "a Ray cluster",
    "aptos": "a data set",
    "nih": "a data set",
    "pneumoniamnist": "a data set",
    "rad_dino": "weights",
    "cache/finetuned": "a folder named by a digest",
    "other_xrays": "features of that folder",
}


BEFORE = {  # what a reader of the page has done already
    "how-to.md": (
        "extract --model tiny_vit14 --data chest",
        "extract --model tiny_vit14 --data chest_xrays",
        "linear --data chest_xrays --save probe.safetensors",
    ),
    "report.md": ("extract --model tiny_vit14 --data chest_xrays", "linear", "knn"),
}


def why_not(words: list[str]) -> str | None:
    """Why a command cannot run on a machine without network and data, or None."""
    return next((why for said, why in NOT_HERE.items() for w in words if w.startswith(said)), None)


@pytest.fixture
def here(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("chest_xrays", "xrays", "chest", "other_xrays"):
        for label, level in (("normal", 90), ("pneumonia", 150)):
            (tmp_path / name / label).mkdir(parents=True)
            for i in range(24):
                film = np.clip(rng.normal(level, 40, (32, 32)), 0, 255).astype(np.uint8)
                file = f"{1000 * (label == 'normal') + i // 2:08d}_{i % 2:03d}.png"
                Image.fromarray(film).save(tmp_path / name / label / file)
    (tmp_path / "new_xrays").mkdir()
    for i in range(4):
        film = rng.integers(0, 255, (32, 32), np.uint8)
        Image.fromarray(film).save(tmp_path / "new_xrays" / f"new{i}.png")
    rows = [f"chest_xrays/pneumonia/{i // 2:08d}_{i % 2:03d}.png" for i in range(8)]
    lines = [f"{row},pneumonia,{i // 2}" for i, row in enumerate(rows)]
    (tmp_path / "followup.csv").write_text("\n".join(["path,finding,patient", *lines, ""]))
    kinds = [(p, p.parent.name) for p in sorted((tmp_path / "chest_xrays").rglob("*.png"))]
    table = [f"{p.relative_to(tmp_path / 'chest_xrays')},{'AB'[k == 'normal']}" for p, k in kinds]
    (tmp_path / "new.csv").write_text("\n".join(["file,finding", *table, ""]))
    for folder, n, masks in (("hippocampus", 10, True), ("new_volumes", 2, False)):
        for part in ("imagesTr", "labelsTr") if masks else ("",):
            (tmp_path / folder / part).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            organ = np.zeros((24, 24, 2), np.uint8)
            organ[4 + i % 4 : 12 + i % 4, 6:14] = 1
            organ[14:20, 12:20] = 2
            image = (organ * 60 + rng.normal(60, 8, organ.shape)).astype(np.float32)
            part = "imagesTr" if masks else ""
            nibabel.save(
                nibabel.Nifti1Image(image, np.eye(4)),
                tmp_path / folder / part / f"case_{i:03d}.nii.gz",
            )
            if masks:
                nibabel.save(
                    nibabel.Nifti1Image(organ, np.eye(4)),
                    tmp_path / folder / "labelsTr" / f"case_{i:03d}.nii.gz",
                )
    return tmp_path


FEWER = {"--decoder unet --lr 1e-3 1e-2 --seeds 0 1 2": "--decoder unet --lr 1e-3 --seeds 0"}


def shortened(words: list[str]) -> list[str]:
    """The words of a command with backbones that are here, and with less to do."""
    line = shlex.join(words)
    for said, less in FEWER.items():
        line = line.replace(said, less)
    words = shlex.split(line)
    more = SHORT.get(words[0], ())
    if "--image-size" in words:
        more = more[2:]
    return [part for w in words for part in STANDS_FOR.get(w, (w,))] + list(more)


def of_featprobe(block: Block) -> list[list[str]]:
    """Words behind ``featprobe`` of the commands of a block."""
    return [words[1:] for words in commands(block) if words[0] == "featprobe"]


def parsed(words: list[str]) -> None:
    """Reads the options of a verb, or of a part of one; what is wrong is raised."""
    context, command = click.Context(cli), cli
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, list(words))
        assert found is not None
        command = found
        if isinstance(command, click.Group) and (not words or words[0].startswith("-")):
            break  # the options of a group of its own
    command.make_context(str(name), list(words), parent=context)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_understood(block: Block, here: Path) -> None:
    """Every option of every command exists and takes what it is given; scripts exist."""
    for words in commands(block):
        words = [w for i, w in enumerate(words) if "=" not in w or w.startswith("-") or i > 1]
        if words[0].startswith(("bin/", ".ci/")):
            assert (ROOT / words[0]).stat().st_mode & 0o100, words[0]
        elif words[0] != "featprobe":
            known = ("pip", "sbatch", "torchrun", "source", ".venv/bin/python", "eval")
            assert words[0] in known, f"{block}: {words[0]}"
    for words in of_featprobe(block):
        parsed([w for w in words if w != "..."])


@pytest.mark.parametrize(
    "words",
    [["knn", "--kay", "5"], ["kn"], ["finetune"], ["cache", "lsl"]],
    ids=" ".join,
)
def test_a_wrong_command_would_be_found(words: list[str]) -> None:
    with pytest.raises((click.ClickException, SystemExit)):
        parsed(words)


RUN = [p for p in PAGES if any(of_featprobe(b) for b in blocks(p) if b.language == "sh")]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda p: p.name)
def test_commands_of_a_page_run_one_after_another(page: Path, here: Path) -> None:
    """Each ends with 0, or with 1 where the page says that it may."""
    runner = CliRunner()
    for first in BEFORE.get(page.name, ()):
        assert runner.invoke(cli, shortened(shlex.split(first))).exit_code == 0, first
    for block in (b for b in blocks(page) if b.language == "sh"):
        for words in of_featprobe(block):
            if why_not(words):
                continue
            done = runner.invoke(cli, shortened(words))
            assert done.exit_code == 0, f"{block}: {shlex.join(words)}\n{done.output}"
