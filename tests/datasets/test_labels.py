"""Columns of labels: unknown, uncertain, several in a cell, covariates, measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.datasets.audit import audit
from featprobe.datasets.class_order import ordered
from featprobe.datasets.targets import NO_VALUE, one_spelling
from tests.datasets.test_folder import png

N = 24
nan = np.nan


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for i in range(N):
        png(tmp_path / "im" / f"{i:03d}.png", 5 * i + 1)
    return tmp_path


def table(folder: Path, head: str, *columns: list[str], sep: str = ",") -> Path:
    """A manifest of the films; each column is repeated to their number."""
    rows = [sep.join([f"im/{i:03d}.png", *(c[i % len(c)] for c in columns)]) for i in range(N)]
    path = folder / "t.csv"
    path.write_text("\n".join(["path" + sep + head, *rows, ""]))
    return path


@pytest.mark.parametrize("text", sorted(set(NO_VALUE) - {""}) + ["-1", "-1.0", ""])
def test_texts_of_no_value_are_unknown_and_told(films, text):
    data = fp.load_dataset(table(films, "label", ["sick", "well", text]))
    assert (data.classes, data.targets[:3].tolist()) == (("sick", "well"), [0, 1, -1])
    assert not text or any(
        f"8 of 24 labels are taken as unknown: {text!r} 8" in n for n in data.notes
    )


def test_missing_says_which_texts_are_unknown(films):
    path = table(films, "label", ["a", "?", "None"])
    assert fp.load_dataset(path).classes == ("?", "a")
    assert fp.load_dataset(path, missing="?").classes == ("None", "a")
    assert fp.load_dataset(path, missing=["?", "None"]).classes == ("a",)
    with pytest.raises(InputError, match="--missing 'x' occurs in no column of labels"):
        fp.load_dataset(path, missing="x")


def test_a_class_called_unknown_is_a_finding(films):
    found = audit(fp.load_dataset(table(films, "label", ["a", "b", "unknown"])))
    assert found.warnings["labels"] == [
        "class 'unknown' may mean unknown: --missing 'unknown' takes it so"
    ]


CHEXPERT = {  # policy -> targets of the column 1, 0, -1, blank
    None: [1, 0, nan, nan], "ignore": [1, 0, nan, nan], "zeros": [1, 0, 0, nan],
    "ones": [1, 0, 1, nan],
}  # fmt: skip


@pytest.mark.parametrize("policy", CHEXPERT)
def test_uncertain_findings_as_of_chexpert(films, policy):
    path = table(films, "Sex,Age,Edema,Effusion", ["Male"], ["50", "60"],
                 ["1.0", "0.0", "-1.0", ""], ["0.0", "1.0"])  # fmt: skip
    data = fp.load_dataset(path, uncertain=policy)
    assert data.classes == ("Edema", "Effusion")
    np.testing.assert_array_equal(data.targets[:4, 0], CHEXPERT[policy])
    assert any("'Edema': 6 values are uncertain" in n for n in data.notes)
    assert any("not taken as labels: Sex, Age" in n for n in data.notes)


def test_uncertainty_as_a_label_of_its_own(films):
    path = table(films, "Edema,Effusion", ["1", "0", "-1"], ["0", "1"])
    data = fp.load_dataset(path, uncertain="own")
    assert data.classes == ("Edema", "Effusion", "Edema (uncertain)")
    assert data.targets[:3].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    one = fp.load_dataset(table(films, "label", ["1", "0", "-1"]), uncertain="own")
    assert (one.classes, one.targets[:3].tolist()) == (("0", "1", "uncertain"), [1, 0, 2])


@pytest.mark.parametrize(
    "columns, targets",
    [
        ([["True", "False"], ["False", "TRUE"]], [[1, 0], [0, 1]]),
        ([["yes", "no"], ["Y", "n"]], [[1, 1], [0, 0]]),
        ([["positive", "negative"], ["1.0", "0"]], [[1, 1], [0, 0]]),
        ([["nan", "1"], ["0", "NA"]], [[nan, 0], [1, nan]]),
    ],
)
def test_words_of_present_and_absent(films, columns, targets):
    columns = [c * 2 if "nan" not in c and "NA" not in c else [*c, "1", "0"] for c in columns]
    data = fp.load_dataset(table(films, "edema,mass", *columns))
    assert (data.task, data.classes) == ("multilabel", ("edema", "mass"))
    np.testing.assert_array_equal(data.targets[:2], targets)


@pytest.mark.parametrize(
    "head", ["age,sex", "PatientAge,Patient Sex", "Follow-up,male", "site,age"]
)
def test_covariates_are_no_labels(films, head):
    data = fp.load_dataset(table(films, head, [str(i) for i in range(N)], ["0", "1"]))
    assert data.targets is None
    assert any("--label COLUMN" in n for n in data.notes)


def test_blank_columns_are_no_labels(films):
    data = fp.load_dataset(table(films, "unnamed,edema", [""], ["0", "1"]))
    assert data.classes == ("0", "1")
    assert data.label_origin == "column 'edema'"


@pytest.mark.parametrize(
    "head, columns, match",
    [
        ("histology", [["adeno", "squamous"]], "It may be histology .adeno, squamous.*--label"),
        ("grade", [["0", "1", "10"]], "It may be grade"),
        ("label", [[f"{i}.5" for i in range(N)]], "has a fraction.*--task regression"),
        ("label", [[str(i) for i in range(N)]], "24 different numbers.*--task multiclass"),
        ("label", [[f"name{i}" for i in range(N)]], "24 different texts"),
        ("label,diagnosis", [["a", "b"], ["x", "y", "z"]], "'label' and 'diagnosis' may both"),
        ("label", [["1", "-1"]], r"holds 1 and -1 only.*--uncertain zeros"),
        ("label", [["a;b", "b"]], r"--separator ';'.*--task multiclass"),
        ("label", [["a|b", "c"]], r"--separator '\|'"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_asked(films, head, columns, match):
    with pytest.raises(InputError, match=match):
        fp.load_dataset(table(films, head, *columns))


@pytest.mark.parametrize(
    "options, match",
    [
        ({"uncertain": "zeros"}, "--uncertain changes nothing"),
        ({"separator": ";"}, "--separator ';' occurs nowhere"),
        ({"separator": ""}, "--separator is empty"),
        ({"separator": "|", "task": "ordinal"}, "not --task ordinal"),
        ({"uncertain": "maybe"}, "--uncertain is one of ignore, zeros, ones, own"),
    ],
)
def test_options_that_change_nothing_are_errors(films, options, match):
    with pytest.raises(InputError, match=match):
        fp.load_dataset(table(films, "label", ["a", "b"]), **options)


def test_two_names_of_one_label_are_one(films):
    data = fp.load_dataset(table(films, "label,diagnosis", ["0", "1"], ["no", "yes"]))
    assert data.label_origin == "column 'label'"


def test_several_labels_in_a_cell(films):
    path = table(films, "Finding Labels", ["Edema|Mass", "Mass", "No Finding", ""])
    data = fp.load_dataset(path)
    assert data.classes == ("Edema", "Mass", "No Finding")
    expected = [[1, 1, 0], [0, 1, 0], [0, 0, 1], [nan] * 3]
    np.testing.assert_array_equal(data.targets[:4], expected)
    comma = table(films, "label", ["a,b", "b"], sep=";")
    asked = fp.load_dataset(comma, separator=",")
    assert (asked.classes, asked.targets[:2].tolist()) == (("a", "b"), [[1, 1], [0, 1]])
    assert fp.load_dataset(comma, task="multiclass").classes == ("a,b", "b")


def test_one_hot_columns_become_classes_when_asked(films):
    path = table(films, "MEL,NV,BCC", ["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"])
    assert any("--task multiclass" in n for n in fp.load_dataset(path).notes)
    data = fp.load_dataset(path, label=["MEL", "NV", "BCC"], task="multiclass")
    assert (data.classes, data.targets[:3].tolist()) == (("MEL", "NV", "BCC"), [0, 1, 2])


def test_one_number_is_one_class_and_numbers_keep_their_order(films):
    data = fp.load_dataset(table(films, "label", ["1", "1.0", "0", "10", "2.0"]))
    assert (data.classes, data.targets[:5].tolist()) == (("0", "1", "2", "10"), [1, 1, 0, 3, 2])
    codes = fp.load_dataset(table(films, "label", ["001", "01"]))
    assert codes.classes == ("001", "01")


def test_decimal_commas(films):
    path = table(films, "label", ["3,5", "4", "-1"], sep=";")
    data = fp.load_dataset(path, task="regression")
    assert data.targets[:3].tolist() == [3.5, 4, -1]


@given(st.lists(st.integers(-50, 500), min_size=1, unique=True))
def test_numbers_are_ordered_as_numbers(values):
    assert ordered(map(str, values)) == tuple(map(str, sorted(values)))
    assert ordered(f"T{v}" for v in values if v >= 0) == tuple(
        f"T{v}" for v in sorted(values) if v >= 0
    )


@given(st.lists(st.sampled_from(["1", "1.0", "2", "2.00", "", "3e0", "+4"]), min_size=1))
def test_equal_numbers_have_one_spelling(values):
    told = one_spelling(values)
    pairs = {(float(v), t) for v, t in zip(values, told) if v}
    assert len(pairs) == len({p[0] for p in pairs}) == len({p[1] for p in pairs})
