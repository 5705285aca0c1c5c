"""datasets/confounders.py, images/appearance.py: what goes with the class, what shows nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats.contingency import association as scipy_association

import featprobe as fp
from featprobe.datasets.audit import audit
from featprobe.datasets.confounders import association, counts, follows
from featprobe.images.appearance import appearance_of
from featprobe.images.decoded_image import DecodedImage
from featprobe.images.intensity import apply_rule
from tests.images.test_dicom_values import film


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), min_size=4))
def test_association_is_cramers(pairs):
    one, other = [p[0] for p in pairs], [p[1] for p in pairs]
    v, p = association(one, other)
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert (v, p) == (0.0, 1.0)
        return
    table = [[pairs.count((a, b)) for b in sorted(set(other))] for a in sorted(set(one))]
    np.testing.assert_allclose(v, scipy_association(np.array(table), "cramer"), atol=1e-9)
    assert 0 <= p <= 1


def test_what_goes_with_class_or_split_is_told_with_its_counts():
    facts = [{"values": "uint8" if i < 20 else "uint16", "scanner": "AB"[i % 2]} for i in range(40)]
    classes = ["sick" if i < 20 else "well" for i in range(40)]
    [line] = follows(facts, classes, [""] * 40)
    assert line.startswith("values goes with the class (Cramer's V 1.00): uint8: sick 20;")
    [line] = follows(facts, [""] * 40, ["train" if i % 2 else "test" for i in range(40)])
    assert line.startswith("scanner goes with the split")
    assert follows(facts, ["ab"[(i // 2) % 2] for i in range(40)], [""] * 40) == []
    assert counts(facts)["scanner"] == {"A": 20, "B": 20}


def test_sizes_are_taken_by_area_where_there_are_many():
    rng = np.random.default_rng(0)
    sizes = [int(s) for s in np.r_[rng.integers(100, 200, 50), rng.integers(300, 400, 50)]]
    facts = [{"size": f"{s} x {s}"} for s in sizes]
    [line] = follows(facts, ["a"] * 50 + ["b"] * 50, [""] * 100)
    assert line.startswith("size goes with the class")
    assert follows([facts[i] for i in rng.permutation(100)], ["a", "b"] * 50, [""] * 100) == []


@pytest.mark.parametrize(
    ("values", "rule", "seen"),
    [
        ([800, 3000], "window=40,400", "white"), ([0, 20], "range=100,900", "black"),
        ([0, 255], "range=0,255", ""), ([5, 5], "range=0,255", ""),
        ([0, 1], "range=0,255", "black"),
    ],
)  # fmt: skip
def test_a_window_outside_of_the_data_shows_nothing(values, rule, seen):
    picture = DecodedImage(np.array(values, np.int16)[None, None])
    assert appearance_of(picture, *apply_rule(picture, rule), rule).seen == seen


def films(root, window_of, n=8):
    rng = np.random.default_rng(0)
    for c in "ab":
        (root / c).mkdir(parents=True)
        for i in range(n):
            raw = rng.integers(200, 3000, (30, 30))
            raw[0, :2] = 200, 3000
            film(
                root / c / f"{c}{i}.dcm", raw, PatientID=f"{c}{i}",
                SeriesInstanceUID=f"1.{ord(c)}.{i}", RescaleIntercept=0, **window_of(c),
            )  # fmt: skip
    return fp.load_dataset(root)


def test_a_window_in_one_class_only_is_a_finding_and_a_note(tmp_path, tiny_backbone):
    window = {"WindowCenter": 2047, "WindowWidth": 4095}
    data = films(tmp_path / "mixed", lambda c: window if c == "a" else {})
    found = audit(data)
    assert found.confounders[0].startswith("black and white goes with the class")
    assert found.problems == 1
    features = fp.extract(tiny_backbone, data, workers=0)
    assert features.summary.appearance["black and white"] == {"window of the file": 8, "minmax": 8}
    again = fp.extract(tiny_backbone, data, workers=0)  # nothing to do: what was found is kept
    assert again.findings == again.summary.findings == features.summary.findings
    assert again.findings[0].startswith("black and white goes with the class")
    one = films(tmp_path / "alike", lambda c: window)
    assert audit(one).problems == 0


def test_items_that_are_all_white_and_features_that_are_alike_are_told(tmp_path, tiny_backbone):
    data = films(tmp_path / "white", lambda c: {"WindowCenter": -300, "WindowWidth": 200})
    assert len(audit(data).blank) == 16
    findings = fp.extract(tiny_backbone, data, workers=0).summary.findings
    assert findings[0].startswith("16 of 16 items are shown all white")
    assert findings[1].startswith("features hardly differ between items (mean cosine 1.0000")


def test_a_size_that_goes_with_the_split(tmp_path):
    for part, size in (("train", 20), ("test", 30)):
        for c in "ab":
            (tmp_path / part / c).mkdir(parents=True)
            for i in range(6):
                image = np.random.default_rng(i).integers(0, 256, (size, size), np.uint8)
                Image.fromarray(image).save(tmp_path / part / c / f"{i}.png")
    assert "size goes with the split" in audit(fp.load_dataset(tmp_path)).confounders[0]
