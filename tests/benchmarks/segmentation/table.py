"""Decoders on tokens of several backbones against baselines, on volumes of the hippocampus.

Items are split 70 / 10 / 20 by patient. Every row has the CPU seconds that it took, so that a
loaded machine says the same; the U-Net from scratch and the fine-tuning have those of the tokens
and of the decoder that took longest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.rows import Row

SIZES = (112, 224)
MODELS = {"tiny_vit14": ("tiny_vit14", None), "random": ("tiny_vit14", "random"),
          "cnn": ("resnet18", "random")}  # fmt: skip
ENDS = ("unet", "tuned")
PARTS = tuple(f"{name}@{size}" for size in SIZES for name in (*MODELS, *ENDS))
BLOCKS = 5  # of tokens that are stored, where a network has them
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
# decoder -> options, rates and epochs
DECODERS: dict[str, tuple[dict[str, Any], tuple[float, ...], float]] = {
    "linear": ({}, RATES, 6),
    "multi": ({"blocks": 4}, RATES, 6),
    "logistic": ({}, (1.0,), 1),
    "knn": ({}, (1.0,), 1),
    "conv": ({"blocks": BLOCKS, "width": 24}, (6e-3,), 10),
    "unet": ({"blocks": 4, "widths": (32, 16, 16)}, (3e-3,), 6),
    "dpt": ({"width": 16}, (3e-3,), 6),
}
UNET, TUNED = 3e-3, 1e-4  # rates of MONAI's U-Net and of the fine-tuned backbone


class Table:
    """Rows by part; what took how long, tokens and results lie in ``cache``."""

    def __init__(self, folder: Path, cache: Path) -> None:
        import featprobe as fp
        from featprobe.splits.assign import assign

        cache.mkdir(parents=True, exist_ok=True)
        self.cache, self._file = cache, cache / "cpu.json"
        self.data = fp.load_dataset(folder, cache=cache)
        n = np.zeros(len(self.data), dtype=int)
        part = assign(n, self.data.groups, (0.7, 0.1, 0.2), 0, self.data.ids)
        self.data.split = np.array(["train", "val", "test"])[part]
        self.data.split_origin = "70/10/20, by patient"

    def part(self, name: str) -> Iterator[Row]:
        """The rows of one of :data:`PARTS`, each as soon as it is there."""
        model, _, size = name.partition("@")
        if model in MODELS:
            yield from self._frozen(name, model, int(size))
        else:
            made = {"unet": self._unets, "tuned": self._tuned}[model]
            yield from made(name, int(size))

    def _tokens(self, model: str, size: int) -> Any:
        """Tokens, extracted in this process unless they are there."""
        import featprobe as fp
        from featprobe.features.tokens import TokenSet

        name, init = MODELS[model]
        backbone = fp.load_backbone(name, init=init, image_size=size)
        start = time.process_time()
        blocks = 1 if model == "cnn" else BLOCKS  # four stages at 224 would take 59 GB
        found = fp.extract(
            backbone, self.data, cache=self.cache, features=[f"tokens:{blocks}"], workers=0
        )
        self._spent(f"{model}@{size}", "tokens", time.process_time() - start)
        return TokenSet(found, self.data)

    def _frozen(self, part: str, model: str, size: int) -> Iterator[Row]:
        from featprobe.segmentation.decoders.named import make_decoder
        from featprobe.segmentation.items import MaskedItems
        from featprobe.segmentation.training import Training

        tokens = self._tokens(model, size)
        items = MaskedItems(tokens)
        base = self._segmented(part, "position", make_decoder("position"), items, Training())
        if model == "tiny_vit14":
            for name, dice in base.ceiling.items():
                yield Row(f"{part}: what the grid of {name} allows", dice, _dice(base), "Dice")
        yield self._row(part, "position", base, base)
        for name, (options, rates, epochs) in DECODERS.items():
            decoder = make_decoder(name, **options)
            if decoder.takes > tokens.blocks:
                if name != "conv":
                    continue
                decoder = make_decoder(name, **{**options, "blocks": tokens.blocks})
            r = self._segmented(part, name, decoder, items, Training(lr=rates, epochs=epochs))
            yield self._row(part, name, r, base)

    def _unets(self, part: str, size: int) -> Iterator[Row]:
        """MONAI's U-Net on the pixels of the input, and on images of one pixel a cell."""
        from featprobe.segmentation.items import SCALE

        patch = size // self._tokens("tiny_vit14", size).grid[0]
        yield self._unet(part, size, "unet2d", patch)
        yield self._unet(part, size, "unet2d small", SCALE)

    def _unet(self, part: str, size: int, name: str, scale: int) -> Row:
        """For as many CPU seconds as tokens and the slowest decoder took."""
        from featprobe.segmentation.decoders.named import make_decoder
        from featprobe.segmentation.items import MaskedItems
        from featprobe.segmentation.training import Training, train

        budget, tokens = self._budget(size), self._tokens("tiny_vit14", size)
        whole = MaskedItems(tokens, scale=scale)
        unet, rows = make_decoder("unet2d"), np.flatnonzero(whole.split == "train")
        frames = sum(whole.frames(int(i)) for i in rows)
        for i in rows:  # decoded once, which is not training
            whole.target(int(i))
            whole.image(int(i))
        each = 0.0
        for steps in (1, 6):  # the first one is slow
            start = time.process_time()
            train(unet, whole, rows, Training(lr=(UNET,), epochs=32 * steps / frames, min_steps=1))
            each = (time.process_time() - start) / (32 * steps)
        epochs = max(budget / each / frames, 32 / frames)
        t = Training(lr=(UNET,), epochs=epochs, min_steps=1)
        r = self._segmented(part, name, unet, whole, t)
        side = whole.size[0]
        said = f"{name}, {side} x {side}, {r.params['epochs']:.2g} epochs from scratch"
        return self._row(part, said, r, self._prior(size))

    def _tuned(self, part: str, size: int) -> Iterator[Row]:
        """The whole backbone with the decoder ``conv``, for about as many CPU seconds."""
        import featprobe as fp
        from featprobe.segmentation.decoders.named import make_decoder

        kept = self._known(part, "full conv")
        if kept is None:
            backbone = fp.load_backbone("tiny_vit14", image_size=size)
            options, _, _ = DECODERS["conv"]
            asked = fp.Segmentation(make_decoder("conv", **options))
            how = {
                "segmentation": asked, "cache": self.cache, "device": "cpu", "workers": 0,
                "label": _label(part, "full conv"), "progress": True,
            }  # fmt: skip
            begun = time.process_time()
            backbone.forward(backbone.prepare(np.zeros((32, size, size), np.uint8), 0, 255))
            step = 3.5 * (time.process_time() - begun)  # a pass back costs twice one forward
            steps = max(20, round(self._budget(size) / step))
            t = fp.Training(steps=steps, lr=TUNED, head_lr=1e-2)
            begun = time.process_time()
            (kept,) = fp.finetune(backbone, self.data, "full", t, **how)
            self._spent(part, "full conv", time.process_time() - begun)
        yield self._row(part, "full conv", kept, self._prior(size))

    # -- what is kept ---------------------------------------------------------------------------

    def _segmented(self, part: str, name: str, decoder: Any, items: Any, training: Any) -> Any:
        from featprobe.evaluation.protocols import Full
        from featprobe.segmentation.run import segment

        def run() -> Any:
            (r,) = segment(
                items, decoder, Full(refit=False), training, cache=self.cache, save=True,
                label=_label(part, name),
            )  # fmt: skip
            return r

        kept = self._known(part, name)
        return kept if kept is not None else self._timed(part, name, run)

    def _timed(self, part: str, name: str, run: Callable[[], Any]) -> Any:
        start = time.process_time()
        r = run()
        self._spent(part, name, time.process_time() - start)
        return r

    def _known(self, part: str, name: str) -> Any:
        from featprobe.evaluation import results

        found = [
            r for r in results.read(self.cache) if r.settings.get("label") == _label(part, name)
        ]
        return found[-1] if found else None

    def _spent(self, part: str, name: str, seconds: float) -> None:
        kept = self._cpu()
        kept.setdefault(part, {})
        kept[part][name] = max(kept[part].get(name, 0.0), seconds)  # cached tokens cost nothing
        self._file.write_text(json.dumps(kept, indent=1))

    def _cpu(self) -> dict[str, dict[str, float]]:
        return json.loads(self._file.read_text()) if self._file.is_file() else {}

    def _budget(self, size: int) -> float:
        """CPU seconds of the tokens of tiny_vit14 and of the decoder that took longest."""
        spent = dict(self._cpu().get(f"tiny_vit14@{size}", {}))
        if len(spent) < 2:
            raise SystemExit(f"run --part tiny_vit14@{size} first, with the same --cache")
        return spent.pop("tokens") + max(spent.values())

    def _prior(self, size: int) -> Any:
        found = self._known(f"tiny_vit14@{size}", "position")
        if found is None:
            raise SystemExit(f"run --part tiny_vit14@{size} first, with the same --cache")
        return found

    def _row(self, part: str, name: str, r: Any, base: Any) -> Row:
        low, high = r.ci["dice"]
        took = self._cpu().get(part, {}).get(name.partition(",")[0], 0.0)
        note = f"[{low:.3f}, {high:.3f}], {took:.0f} s of CPU"
        said = f"{part}, {name}: mean Dice against the position prior's"
        return Row(said, _dice(r), _dice(base), "Dice", note=note)


def _label(part: str, name: str) -> str:
    return f"{part} {name}"


def _dice(r: Any) -> float:
    return float(r.metrics["dice"])
