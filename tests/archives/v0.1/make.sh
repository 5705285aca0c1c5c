#!/usr/bin/env bash
# Makes one archive with the featprobe that is installed: make.sh FOLDER
set -euo pipefail
out=$1; mkdir -p "$out"; cd "$out"
python - <<'P'
import numpy as np, torch
from transformers import Dinov2Config, Dinov2Model, BitImageProcessor
torch.manual_seed(0)
c = Dinov2Config(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14)
Dinov2Model(c).eval().save_pretrained("net")
import json
json.dump({"crop_size": {"height": 28, "width": 28}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
 "do_rescale": True, "do_resize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
 "image_processor_type": "BitImageProcessor", "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 28}},
 open("net/preprocessor_config.json", "w"))
rng = np.random.default_rng(0)
d = {}
for part, n in (("train", 24), ("val", 12), ("test", 16)):
    y = np.arange(n) % 2
    x = rng.integers(0, 120, (n, 28, 28)) + 100 * y[:, None, None]
    d[f"{part}_images"], d[f"{part}_labels"] = x.astype(np.uint8), y[:, None]
np.savez_compressed("shapes.npz", **d)
P
export FEATPROBE_CACHE=$PWD/cache
run() { python -m featprobe.cli.main "$@"; }
run extract --model net --data shapes.npz --features cls mean --device cpu
run knn --k 1 3
run linear --C 0.01 1 --save logistic.safetensors
run linear --probe ridge --save ridge.safetensors
run linear --probe mlp --set epochs=2 width=4 --save mlp.safetensors
run fewshot --shots 1 2 --tries 3
run extract --model net --data shapes.npz --features cls mean --device cpu --store hdf5 --cache hdf5
run finetune --model net --data shapes.npz --recipe bitfit --epochs 1 --device cpu --run trained

rm -rf cache/frames trained/*.pt
python - <<'P'
import json
import numpy as np, featprobe as fp
from featprobe import results
from pathlib import Path
data = fp.load_dataset("shapes.npz")
features = fp.extract(fp.load_backbone("net"), data, cache="cache", features=["cls", "mean"], device="cpu")
assert features.summary.new_frames == 0
out = {"cls": features.x("cls").tolist(), "mean": features.x("mean").tolist()}
for name in ("logistic", "ridge", "mlp"):
    out[name] = fp.load_probe(f"{name}.safetensors").predict_proba(features.x("cls")).tolist()
trained = fp.extract(fp.load_backbone("trained/backbone"), data, cache="again", features=["cls"], device="cpu")
out["trained"] = trained.x("cls").tolist()
out["head"] = fp.load_probe("trained/head.safetensors").predict_proba(trained.x("cls")).tolist()
out["results"] = [[r.id, r.probe, r.protocol, r.metrics["auroc"], r.cell] for r in results.read(Path("cache"))]
json.dump(out, open("expected.json", "w"))
P
rm -rf again
