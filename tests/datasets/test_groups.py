"""Groups read from file names: believed only where they look like patients."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.datasets.groups import NO_GROUPS, infer_groups


def patients(n: int, each: int, sep: str = "_") -> list[str]:
    return [f"c/{p:08d}{sep}{k:03d}.png" for p in range(n) for k in range(each)]


@pytest.mark.parametrize("sep", ["_", "-"])
def test_auto_takes_the_prefix_of_recurring_names(sep):
    groups, origin = infer_groups(patients(12, 3, sep))
    assert groups.tolist() == [f"{p:08d}" for p in range(12) for _ in range(3)]
    assert "<patient>_<index>" in origin


def test_auto_ignores_the_class_folder_and_the_double_suffix():
    names = [f"{c}/p{p:03d}_{k}.nii.gz" for c in "ab" for p in range(12) for k in range(2)]
    groups, _ = infer_groups(names)
    assert set(groups.tolist()) == {f"p{p:03d}" for p in range(12)}


@pytest.mark.parametrize(
    "names",
    [
        [f"img_{i:04d}.png" for i in range(50)],  # one prefix: a numbering, not a patient
        patients(9, 5),  # fewer than ten patients
        [f"case{i}.png" for i in range(50)],  # no index
        [f"case{i}_1.png" for i in range(50)],  # no prefix recurs
        [*patients(12, 3), "odd.png"],  # one name of another form
        [f"p{i % 10}_{i}.png" for i in range(200)],  # a twentieth as many patients as items
    ],
)
def test_auto_gives_no_groups_where_in_doubt(names):
    groups, origin = infer_groups(names)
    assert groups.tolist() == names
    assert origin == NO_GROUPS


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=40, unique=True))
def test_auto_never_fails_and_groups_are_names_or_prefixes(names):
    groups, _ = infer_groups(names)
    assert len(groups) == len(names)
    assert all(g in name for g, name in zip(groups.tolist(), names))


def test_folder_none_and_regex():
    names = ["a/p1_x.png", "a/p2_x.png", "b/p1_y.png"]
    assert infer_groups(names, "folder")[0].tolist() == ["a", "a", "b"]
    assert infer_groups(names, "none")[0].tolist() == names
    assert infer_groups(names, r"regex:(p\d)")[0].tolist() == ["p1", "p2", "p1"]
    assert infer_groups(names, r"regex:(\w)/(?P<patient>p\d)")[0].tolist() == ["p1", "p2", "p1"]


@pytest.mark.parametrize(
    "rule, match",
    [
        ("regex:(", "is no regular expression"),
        ("regex:p", r"has no \(group\)"),
        ("regex:(q)", "does not match item 'a/p1.png'"),
        ("patient", "unknown group rule 'patient'"),
    ],
)
def test_wrong_rules_are_refused(rule, match):
    with pytest.raises(InputError, match=match):
        infer_groups(["a/p1.png"], rule)


def test_the_pattern_of_nih_names_is_in_the_real_files(real_data):
    folder = real_data / "nih_cxr"
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    groups, _ = infer_groups(names)
    assert len(names) == 168
    assert all(re.fullmatch(r"\d{8}", g) for g in groups.tolist())
    assert 10 < len(set(groups.tolist())) < 168
