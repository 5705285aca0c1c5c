"""What every probe promises."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.probes.registry import PROBES
from tests.probes.every import quick


@pytest.mark.parametrize("name", PROBES.names())
class TestEveryProbe:
    """The contract that each probe keeps, built in or from an entry point."""

    def data(self):
        rng = np.random.default_rng(0)
        y = np.arange(90) % 3
        return rng.normal(size=(90, 8)) + np.eye(8)[y] * 4, y

    def test_is_cloned_by_sklearn_and_keeps_its_parameters(self, name: str) -> None:
        from sklearn.base import clone, is_classifier

        probe = PROBES.get(name)()
        assert clone(probe).get_params() == probe.get_params()
        assert is_classifier(probe)
        assert probe.name == name

    def test_runs_in_sklearns_cross_validation(self, name: str) -> None:
        from sklearn.model_selection import cross_val_score

        x, y = self.data()
        assert cross_val_score(quick(name), x, y, cv=3).mean() > 0.8

    def test_probabilities_are_in_the_order_of_classes(self, name: str) -> None:
        x, y = self.data()
        names = np.array(["c", "a", "b"])[y]
        probe = quick(name).fit(x, names)
        p = probe.predict_proba(x)
        assert probe.classes_.tolist() == ["a", "b", "c"]
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-9)
        assert (probe.predict(x) == probe.classes_[p.argmax(1)]).all()
        assert probe.score(x, names) > 0.8

    def test_bad_input_is_told(self, name: str) -> None:
        x, y = self.data()
        probe = quick(name)
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
            quick(name).fit(*self.data()).predict_proba(np.zeros((2, 3)))

    def test_features_that_say_nothing_give_the_classes_alike(self, name: str) -> None:
        """Constant, and one that varies: the solvers have no direction to work in, or one."""
        y = np.arange(40) % 2
        constant = quick(name).fit(np.ones((40, 5)), y).predict_proba(np.ones((4, 5)))
        assert np.isfinite(constant).all()
        assert (constant == constant[0]).all()
        x = np.ones((40, 5))
        x[:, 2] += y
        p = quick(name).fit(x, y).predict_proba(x)
        assert np.isfinite(p).all()
