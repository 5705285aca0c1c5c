"""Fine-tuning against Hugging Face's Trainer on the same files: images a second, and memory."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.finetuning.memory import Peak
from tests.benchmarks.rows import Row, in_turn, median_of

SIDE = 1024  # of the pictures on disk
LORA = {"rank": 8, "alpha": 16, "targets": ("qkv", "mlp")}
TARGETS = ["q_proj", "k_proj", "v_proj", "fc1", "fc2"]


@dataclass(frozen=True)
class Case:
    """What is trained, and for how long."""

    model: str
    size: int
    images: int
    batch: int
    epochs: int


def rows(runs: int) -> Iterator[Row]:
    """Full fine-tuning and LoRA: from files, and the loop alone; at least as fast as the Trainer.

    From files ours decodes once and Trainer in every epoch, in as many processes.
    """
    cases = [Case("dinov2_vits14", 112, 96, 16, 3)]
    if torch.cuda.is_available():
        names = ("dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14")
        cases = [Case(n, 224, 512, 64, 4) for n in names]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            data = pictures(Path(folder) / "pictures", case.images)
            for recipe in ("full", "lora"):
                yield from compared(case, recipe, data, runs)


def compared(case: Case, recipe: str, data: fp.Dataset, runs: int) -> Iterator[Row]:
    """Three rows: from files, the loop alone, and the largest memory."""
    ours, theirs = in_turn(
        runs, lambda: featprobe(case, recipe, data), lambda: trainer(case, recipe, data)
    )
    note = f"{case.model} at {case.size}, batch {case.batch}, {case.epochs} epochs, {SIDE} px PNG"
    names = ("from files", "loop alone")
    for i, name in enumerate(names):
        yield Row(
            f"fine-tuning {recipe}, {name}, of HF Trainer's rate", median_of(r[i] for r in ours),
            median_of(r[i] for r in theirs), "images/s", 1.0, note=note,
            runs=runs,
        )  # fmt: skip
    yield Row(
        f"fine-tuning {recipe}, peak memory of HF Trainer's", median_of(r[2] for r in ours) / 1e9,
        median_of(r[2] for r in theirs) / 1e9, "GB", more=False, note=note, runs=runs,
    )  # fmt: skip


def pictures(folder: Path, n: int) -> fp.Dataset:
    """``n`` smooth grey PNGs of two classes to train on, and a few of each for val and test."""
    rng = np.random.default_rng(0)
    for i in range(n + 16):
        place = folder / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(place / f"p{i:04d}.png")
    data = fp.load_dataset(folder)
    order = np.argsort([Path(i).stem for i in data.ids])
    data.split = np.full(len(data.ids), "train", dtype="<U5")
    data.split[order[n : n + 8]], data.split[order[n + 8 :]] = "val", "test"
    return data


def featprobe(case: Case, recipe: str, data: fp.Dataset) -> tuple[float, float, float]:
    """Images a second from files and of the loop alone, and bytes at most."""
    backbone = fp.load_backbone(case.model, init="random", image_size=case.size)
    training = fp.Training(
        epochs=case.epochs, batch=case.batch, keep="last", standardize=False, clip=1.0
    )
    made = fp.make_recipe(recipe, **(LORA if recipe == "lora" else {}))
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        (result,) = fp.finetune(
            backbone, data, made, training, cache=cache, workers=workers(), resamples=10
        )
        seconds = time.perf_counter() - begin
    images = case.epochs * case.images
    return images / seconds, result.cost["images_per_second"], result.cost["peak_memory"]


def trainer(case: Case, recipe: str, data: fp.Dataset) -> tuple[float, float, float]:
    """The same of transformers' Trainer, with PEFT for LoRA; ready tensors for the loop alone."""
    rates, most = [], 0
    backbone = fp.load_backbone(case.model, init="random", image_size=case.size)
    ready = Files(backbone, data, "train")
    for files in (ready, [ready[i] for i in range(len(ready))]):
        model = classifier(backbone, recipe)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with Peak(device) as peak:
            begin = time.perf_counter()
            train(model, files, case, loaders(case) if files is ready else 0)
            rates.append(case.epochs * case.images / (time.perf_counter() - begin))
        most = max(most, peak.bytes)
    return rates[0], rates[1], most


class Files(torch.utils.data.Dataset):
    """Pictures of a part, read as a user would: Pillow's resize and the checkpoint's statistics."""

    def __init__(self, backbone: Backbone, data: fp.Dataset, part: str) -> None:
        self.items = np.flatnonzero(data.split == part)
        self.paths: Any = data.source.paths
        self.targets = data.targets
        self.preprocess = backbone.preprocess

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> dict[str, Any]:
        item = self.items[i]
        image = Image.open(self.paths[item][0]).convert("RGB")
        short, (h, w) = self.preprocess.resize, self.preprocess.size
        image = image.resize((short, short), Image.Resampling.BICUBIC)
        left, top = (short - w) // 2, (short - h) // 2
        x = np.asarray(image.crop((left, top, left + w, top + h)), dtype=np.float32) / 255
        x = (x - np.float32(self.preprocess.mean)) / np.float32(self.preprocess.std)
        return {"pixel_values": torch.from_numpy(x).permute(2, 0, 1), "labels": self.targets[item]}


def classifier(backbone: Backbone, recipe: str) -> torch.nn.Module:
    """transformers' own classifier of the architecture."""
    from transformers import Dinov2Config, Dinov2ForImageClassification

    torch.manual_seed(0)
    config = {k: v for k, v in backbone.config.items() if not k.startswith("interpolate_")}
    model = Dinov2ForImageClassification(Dinov2Config(**config, num_labels=2))
    if recipe == "lora":
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(
            r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules=TARGETS,
            modules_to_save=["classifier"],
        )  # fmt: skip
        model = get_peft_model(model, lora)
    return model


def train(model: torch.nn.Module, files: Any, case: Case, processes: int) -> None:
    """A training of as many epochs, nothing saved and nothing reported."""
    from transformers import Trainer, TrainingArguments

    cuda = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=case.batch,
            num_train_epochs=case.epochs, learning_rate=1e-4, weight_decay=0.05,
            lr_scheduler_type="cosine", bf16=cuda, use_cpu=not cuda, save_strategy="no",
            report_to=[], logging_strategy="no", disable_tqdm=True,
            dataloader_num_workers=processes, dataloader_persistent_workers=processes > 0,
        )  # fmt: skip
        Trainer(model=model, args=arguments, train_dataset=files).train()


def loaders(case: Case) -> int:
    """Loading processes of Trainer: none where the memory that they share is too small for two
    batches each, as it often is in a container; torch's end by a signal there."""
    batches = 2 * workers() * case.batch * 3 * case.size**2 * 4
    try:
        return workers() if shutil.disk_usage("/dev/shm").free > batches else 0
    except OSError:
        return 0


def workers() -> int:
    """Decode processes of either side."""
    from featprobe.core.threads import cores

    return min(8, cores())
