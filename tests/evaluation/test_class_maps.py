"""Classes that data sets share, by name and by --map."""

from __future__ import annotations

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.evaluation.class_maps import renames, shared_classes

NAN = np.nan


def labelled(name, y, classes, task=None):
    x = np.zeros((len(y), 2))
    return fp.FeatureSet.from_arrays(x, np.array(y), classes=classes, task=task, dataset=name)


def multilabel(name, y, classes):
    return labelled(name, y, classes, "multilabel")


def test_names_match_whatever_their_case_and_blanks() -> None:
    one = multilabel("nih", [[1, 0, 0.0], [0, 1, NAN]], ["Pleural_Thickening", "Mass", "Hernia"])
    other = multilabel("pad", [[1, 1.0], [0, 0], [NAN, 1]], ["mass", "pleural thickening"])
    found = shared_classes([one, other])
    assert found.classes == ("Pleural_Thickening", "Mass")
    np.testing.assert_array_equal(found.sets[0].y, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(found.sets[1].y, [[1, 1], [0, 0], [1, NAN]])
    assert found.notes == [["labels that are not shared have no part: 'Hernia'"], []]
    assert one.classes == ("Pleural_Thickening", "Mass", "Hernia")  # untouched


def test_labels_of_one_name_are_one_and_unknown_is_not_absent() -> None:
    y = [[1, 0], [0, NAN], [0, 0], [NAN, 1.0]]
    one = multilabel("a", y, ["Consolidation", "Infiltration"])
    other = multilabel("b", [[1.0], [0]], ["Opacity"])
    maps = renames(["Consolidation=Opacity", "a:Infiltration=opacity"], ["a", "b"])
    found = shared_classes([one, other], maps)
    assert found.classes == ("Opacity",)
    np.testing.assert_array_equal(found.sets[0].y, [[1], [NAN], [0], [1]])
    assert "'Consolidation', 'Infiltration' are one here, 'Opacity'" in found.notes[0][0]


def test_items_of_other_classes_are_left_out_and_counted() -> None:
    one = labelled("a", [0, 1, 2, 2], ["normal", "bacterial", "viral"])
    other = labelled("b", [0, 1, 1, 2], ["covid", "Normal", "pneumonia"])
    maps = renames(["bacterial=pneumonia", "viral=pneumonia"], ["a", "b"])
    found = shared_classes([one, other], maps)
    assert found.classes == ("normal", "pneumonia")
    assert [f.y.tolist() for f in found.sets] == [[0, 1, 1, 1], [-1, 0, 0, 1]]
    assert found.sets[0].task == "multiclass"
    assert found.notes[1] == ["1 items of classes that are not shared are left out: 'covid'"]


def test_classes_become_labels_where_the_other_set_has_labels() -> None:
    one = multilabel("nih", [[1, 0.0], [0, 1]], ["Pneumonia", "Mass"])
    other = labelled("kids", [0, 1, 1], ["normal", "pneumonia"])
    found = shared_classes([one, other])
    assert found.sets[1].task == "multilabel"
    assert found.sets[1].y.tolist() == [[0], [1], [1]]
    assert "its classes are read as labels, present or not" in found.notes[1]
    unknown = labelled("kids", [0, 1, -1], ["normal", "pneumonia"])
    assert np.isnan(shared_classes([one, unknown]).sets[1].y[2, 0])


def test_grades_stay_ordered_where_their_order_is_the_same() -> None:
    grades = ["none", "mild", "severe"]
    one = labelled("a", [0, 1, 2], grades, "ordinal")
    other = labelled("b", [0, 1, 1], ["none", "severe"], "ordinal")
    assert shared_classes([one, other]).sets[0].task == "ordinal"
    turned = labelled("b", [0, 1, 1], ["severe", "none"], "ordinal")
    assert shared_classes([one, turned]).sets[0].task == "multiclass"


def test_mistakes_name_what_is_there() -> None:
    one = labelled("a", [0, 1], ["x", "y"])
    other = labelled("b", [0, 1], ["u", "x"])
    with pytest.raises(InputError, match=r"only 'x' is shared by all .*a: 'x', 'y'; b: 'u', 'x'"):
        shared_classes([one, other])
    with pytest.raises(InputError, match=r"no class is shared"):
        shared_classes([one, labelled("b", [0, 1], ["u", "v"])])
    with pytest.raises(UnknownName, match=r"no class 'z' in a, b\..*There: u, x, y"):
        shared_classes([one, other], renames(["z=x"], ["a", "b"]))
    with pytest.raises(UnknownName, match=r"no class 'u' in a\."):
        shared_classes([one, other], renames(["a:u=x"], ["a", "b"]))
    for text in ("x", "x=", "=x", "a:=x"):
        with pytest.raises(InputError, match="is written CLASS=NAME"):
            renames([text], ["a", "b"])
    values = labelled("v", [0.5, 1.5], (), "regression")
    with pytest.raises(InputError, match="do not go together: a is multiclass, v is regression"):
        shared_classes([one, values])
    assert shared_classes([values, values]).classes == ()
