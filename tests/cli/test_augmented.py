"""Views of ``extract --views`` in the probing verbs and in predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

import featprobe as fp


@pytest.mark.slow
def test_verbs_and_saved_probes_use_the_views(run, class_folders, tmp_path) -> None:
    code, _, err = run(
        "extract", "--model", "tiny_vit14", "--init", "random", "--data", class_folders, "--views",
        3, "--image-size", 28,
    )  # fmt: skip
    assert code == 0, err
    assert "40 frames in 3 views take" in err
    file = tmp_path / "mean.safetensors"
    code, out, err = run(
        "linear", "--C", 0.1, "--augmented", "test", "--save", file, "--resamples", 20, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["settings"]["augmented"] == "test"
    new = tmp_path / "new"
    new.mkdir()
    for i, source in enumerate(sorted(class_folders.rglob("*.png"))[::8]):
        (new / f"{i}.png").write_bytes(source.read_bytes())
    code, out, err = run("predict", file, "--data", new, "--json", "--quiet")
    assert code == 0, err
    found = [json.loads(line)["scores"]["sick"] for line in out.splitlines()]
    backbone = fp.load_backbone("tiny_vit14", init="random", image_size=28)
    seen = fp.extract(backbone, fp.load_dataset(new), views=3)
    probe = fp.load_probe(file)
    expected = np.mean([probe.predict_proba(seen.x(augmented=v))[:, 1] for v in range(3)], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    code, out, err = run("linear", "--augmented", "train")
    assert (code, out) == (2, "")
    assert "use --probe sgd" in err
