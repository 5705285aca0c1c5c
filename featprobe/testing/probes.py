"""What every probe must do, built in or of another package.

class TestMine(ProbeContract):
    name, params = "mine", {"iterations": 10}  # a setting that is quick
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.probes.base import Probe
from featprobe.probes.loading import load_probe
from featprobe.probes.registry import PROBES
from featprobe.probes.saving import save_probe


class ProbeContract:
    """Subclass, set ``name`` and, where it is slow by default, ``params``."""

    name: str = ""
    params: ClassVar[Mapping[str, Any]] = {}

    def quick(self) -> Probe:
        """The probe in a setting that suits a few dozen rows, unfitted."""
        made: Probe = PROBES.get(self.name)(**self.params)
        return made

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows (90, 8) of three classes that are far apart."""
        rng = np.random.default_rng(0)
        y = np.arange(90) % 3
        return rng.normal(size=(90, 8)) + np.eye(8)[y] * 4, y

    def test_is_cloned_by_sklearn_and_keeps_its_parameters(self) -> None:
        from sklearn.base import clone, is_classifier

        probe = PROBES.get(self.name)()
        assert clone(probe).get_params() == probe.get_params()
        assert is_classifier(probe)
        assert probe.name == self.name

    def test_runs_in_sklearns_cross_validation(self) -> None:
        from sklearn.model_selection import cross_val_score

        x, y = self.data()
        assert cross_val_score(self.quick(), x, y, cv=3).mean() > 0.8

    def test_probabilities_are_in_the_order_of_classes(self) -> None:
        x, y = self.data()
        names = np.array(["c", "a", "b"])[y]
        probe = self.quick().fit(x, names)
        p = probe.predict_proba(x)
        assert probe.classes_.tolist() == ["a", "b", "c"]
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-9)
        assert (probe.predict(x) == probe.classes_[p.argmax(1)]).all()
        assert probe.score(x, names) > 0.8

    def test_bad_input_is_an_error(self) -> None:
        x, y = self.data()
        probe = self.quick()
        with pytest.raises(InputError, match="not fitted"):
            probe.predict_proba(x)
        with pytest.raises(InputError, match="one class only"):
            probe.fit(x, np.zeros(90, int))
        with pytest.raises(InputError, match="90 rows of features for 80 targets"):
            probe.fit(x, y[:80])
        x[5, 2] = np.nan
        with pytest.raises(InputError, match="1 rows are NaN or infinite, first row 5"):
            probe.fit(x, y)
        with pytest.raises(InputError, match="3 features a row"):
            self.quick().fit(*self.data()).predict_proba(np.zeros((2, 3)))

    def test_features_that_say_nothing_give_the_classes_alike(self) -> None:
        """Constant, and one that varies: the solvers have no direction to work in, or one."""
        y = np.arange(40) % 2
        constant = self.quick().fit(np.ones((40, 5)), y).predict_proba(np.ones((4, 5)))
        assert np.isfinite(constant).all()
        assert (constant == constant[0]).all()
        x = np.ones((40, 5))
        x[:, 2] += y
        p = self.quick().fit(x, y).predict_proba(x)
        assert np.isfinite(p).all()

    def test_nothing_is_kept_from_one_fit_to_the_next(self) -> None:
        x, y = self.data()
        used = self.quick().fit(-x[:60], y[:60]).fit(x, y)
        np.testing.assert_array_equal(
            used.predict_proba(x), self.quick().fit(x, y).predict_proba(x)
        )

    def test_a_saved_probe_predicts_what_it_did(self, tmp_path: Path) -> None:
        x, y = self.data()
        probe = self.quick().fit(x, y)
        again = load_probe(save_probe(probe, tmp_path / "probe.safetensors"))
        np.testing.assert_array_equal(again.predict_proba(x), probe.predict_proba(x))
