"""What every probe is: an estimator of scikit-learn's contract, with candidates to choose from.

The module imports no scikit-learn (1.5 s); ``__sklearn_tags__`` does so when scikit-learn asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from featprobe.core.display import changed
from featprobe.core.errors import InputError
from featprobe.probes.checks import check_scores, check_x, is_regression
from featprobe.probes.feature_range import FeatureRange
from featprobe.probes.parameters import Parameters, defaults
from featprobe.probes.saving import Savable
from featprobe.probes.selection import Criterion
from featprobe.probes.single_class import constants, settled
from featprobe.probes.standardizer import Standardizer as Standardizer  # saved probes name it here
from featprobe.splits import assign as splits


class Probe(Parameters, Savable):
    """Base of the probes.

    ``fit(x, y)`` takes features (N, D) and targets: int or text (N,) classes, float (N, C) of 0, 1
    and NaN (unknown), or, where ``tasks`` has regression, float (N,) values. ``predict_proba(x)``
    returns (N, C): class probabilities, columns in the order of ``classes_``, or independent label
    probabilities.

    A probe with several candidates (values of k, of C) lists them in :meth:`candidates`;
    ``fit_candidates`` and ``score_candidates`` fit and score all of them at once, so that the one
    to report can be chosen on validation data. ``score_tries`` is for few-shot draws.

    What ``fit_candidates`` learns is kept in attributes that are numpy arrays, JSON values, or
    dataclasses of these, so that a fitted probe can be saved; what is made of them (an index, a
    network) is made when needed and named in ``rebuilt``.

    Who fits and scores candidates calls :meth:`learn` and :meth:`scores`: they know the patients,
    so that :meth:`held_out`, by which a probe splits its rows once more, divides none, and the
    labels with one value only. Constructor arguments are checked as
    :class:`~featprobe.probes.parameters.Parameters` says.
    """

    name: ClassVar[str] = ""
    report_all: ClassVar[bool] = False  # every candidate is a row, not only the chosen one
    tasks: ClassVar[tuple[str, ...]] = ("multiclass", "ordinal", "multilabel")
    bags: ClassVar[bool] = False  # takes the frames of each item (Bags), not one row
    tokens: ClassVar[bool] = False  # its bags are of patch tokens where these are stored
    epochs_of_views: ClassVar[bool] = False  # may be trained on augmented views, one an epoch
    transductive: bool = False  # scores of items depend on which are scored together
    criterion: Criterion | None = None  # by what :meth:`choose` compares; None: the default
    _groups: np.ndarray | None = None  # patients of the rows, while they are fitted
    _constant: np.ndarray | None = None  # see probes.constants
    range_: FeatureRange | None = None  # of the items of training, where it was looked at

    def fresh(self, **params: Any) -> Self:
        """An unfitted copy with some parameters changed, which chooses by the same criterion."""
        return super().fresh(**params).choosing_by(self.criterion)

    def choosing_by(self, criterion: Criterion | None) -> Self:
        """This probe, told by what to choose among its own candidates or those of a part."""
        if criterion is not None:
            self.criterion = criterion
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in self.rebuilt}

    def __repr__(self) -> str:
        return changed(self, self.get_params(deep=False), defaults(type(self)))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )

    # -- what a probe defines ---------------------------------------------------------------------

    def candidates(self) -> list[dict[str, Any]]:
        """The parameter settings among which validation data choose."""
        return [{}]

    def simplicity(self) -> list[float] | None:
        """A number for each candidate, larger is more regularised; None where there is no order.

        Of candidates that validation data cannot tell apart the simplest is taken.
        """
        return None

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> Probe:
        """Fit every candidate; ``y`` as in :meth:`fit`, classes as 0 .. C-1."""
        raise NotImplementedError

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        """(G, N, C) scores of the G candidates; (G, N, 1) values of a regression."""
        raise NotImplementedError

    def score_tries(
        self, x: np.ndarray, y: np.ndarray, tries: Sequence[np.ndarray], queries: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Scores (N, C) of the queries, fitted on each of several sets of rows, first candidate.

        A probe that solves many small problems together overrides this. Every class of ``y`` has
        to be in each of ``tries``.
        """
        for rows in tries:
            yield self.learn(x[rows], y[rows], self.groups_of(rows)).score_candidates(queries)[0]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        """Index of the candidate that :meth:`fit` keeps when nobody chose: the first."""
        return 0

    def within(self, rows: int) -> Self:
        """An unfitted copy whose candidates can all be fitted to ``rows`` rows."""
        return self.fresh()

    def beyond(self, best: int) -> Self | None:
        """A copy with more candidates, where the best is an end of the grid and it may go on."""
        return None

    def notes(self) -> list[str]:
        """What a reader of results should know of how these scores came about."""
        return []

    # -- what knows of patients, and of labels with one value -------------------------------------

    @contextmanager
    def with_groups(self, groups: np.ndarray | None) -> Iterator[None]:
        """Within it, the patients (N,) of the rows that are fitted; None: each row is one."""
        before, self._groups = self._groups, groups
        try:
            yield
        finally:
            self._groups = before
            if before is None:
                del self._groups

    def groups_of(self, rows: np.ndarray) -> np.ndarray | None:
        """The patients of some of the rows that are fitted."""
        return None if self._groups is None else self._groups[rows]

    def held_out(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """:func:`hold_out` of the rows that are fitted, with their patients."""
        return hold_out(y, self._groups)

    def learn(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """:meth:`fit_candidates` on rows of these patients (N,)."""
        with self.with_groups(groups):
            self.fit_candidates(x, y)
        self.__dict__.pop("_constant", None)
        if (constant := constants(y)) is not None:
            self._constant = constant
        return self

    def scores(self, x: np.ndarray) -> np.ndarray:
        """:meth:`score_candidates`, a label of one value in training scored as that everywhere."""
        return settled(self.score_candidates(x), self._constant)

    # -- what users call --------------------------------------------------------------------------

    def fit(self, x: np.ndarray, y: np.ndarray, *, groups: np.ndarray | None = None) -> Probe:
        """Learn from all rows, with the candidate that :meth:`choose` picks.

        ``groups`` (N,): the patient of each row, which no inner split divides; by default each row
        is one. Sets ``classes_`` (C,), but for regression, ``n_features_in_`` and ``best_`` (the
        candidate's parameters).
        """
        self.check_params()
        name = type(self).__name__
        if y is None:
            raise InputError(f"{name} requires y to be passed, but the target y is None")
        x, y = check_x(x, self.bags, self.epochs_of_views), np.asarray(y)
        if y.ndim not in (1, 2):
            raise InputError(f"targets are an (N,) or (N, C) array, not of shape {y.shape}")
        if len(x) != len(y):
            raise InputError(f"{len(x)} rows of features for {len(y)} targets")
        codes = y
        if is_regression(y) and "regression" in self.tasks:
            if not np.isfinite(y).all():
                raise InputError("regression targets must be finite; leave unknown ones out")
            self.__dict__.pop("classes_", None)
        elif is_regression(y) and not (y == np.round(y)).all():
            raise InputError(f"Unknown label type: continuous; {name} takes classes, not values")
        elif y.ndim == 1:
            self.classes_, codes = np.unique(y, return_inverse=True)
            if len(self.classes_) < 2:
                raise InputError(f"one class only ({self.classes_[0]}), a probe needs two")
        else:
            self.classes_ = np.arange(y.shape[1])
            if "multilabel" not in self.tasks:
                raise InputError(f"{type(self).__name__} takes classes, not multi-label targets")
        self.n_features_in_ = x.shape[1]
        if groups is not None and np.shape(groups) != (len(x),):
            raise InputError(f"{np.shape(groups)} groups for {len(x)} rows: one for each is wanted")
        groups = None if groups is None else np.asarray(groups)
        self._fits(len(x))
        with self.with_groups(groups):
            best = self.choose(x, codes) if len(self.candidates()) > 1 else 0
        self.best_ = self.candidates()[best]
        self._keep = best
        return self.learn(x, codes, groups)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(N, C) probabilities of the kept candidate."""
        p = self._scored(x)
        if not hasattr(self, "classes_"):
            raise InputError(f"{type(self).__name__} was fitted to values: call predict")
        return p

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(N,) classes, (N, C) of 0 and 1 for multi-label targets, or (N,) values."""
        p = self._scored(x)
        if not hasattr(self, "classes_"):
            return p[:, 0]
        if getattr(self, "_labels", False):
            return (p >= 0.5).astype(int)
        return self.classes_[p.argmax(1)]

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        """Accuracy (of all labels, for multi-label targets), or R2 of a regression."""
        y, guess = np.asarray(y), self.predict(x)
        if hasattr(self, "classes_"):
            return float(np.mean(guess == y))
        return float(1 - ((y - guess) ** 2).sum() / ((y - y.mean()) ** 2).sum())

    def _fits(self, rows: int) -> None:
        """Leave out candidates that so many rows are too few for."""

    def _scored(self, x: Any) -> np.ndarray:
        if not hasattr(self, "n_features_in_"):
            raise InputError(f"{type(self).__name__} is not fitted yet: call fit first")
        x = check_x(x, self.bags)
        if x.shape[1] != self.n_features_in_:
            raise InputError(
                f"{x.shape[1]} features a row; {type(self).__name__} was fitted on "
                f"{self.n_features_in_}"
            )
        return check_scores(self.scores(x)[self._keep], self.name)


def hold_out(
    y: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks (N,) of the rows to fit and of a stratified tenth held out of them.

    ``groups`` (N,): patients, none of which is on both sides; by default each row is one. None
    where there are too few rows or patients, or where the rows to fit would lack a class.
    """
    try:
        groups = np.arange(len(y)) if groups is None else groups
        held = splits.assign(y, groups, (0.9, 0.1)) == 1
    except InputError:
        return None
    if not 0 < held.sum() <= len(y) / 2:  # one patient has most rows
        return None
    if y.ndim == 1 and not is_regression(y) and len(np.unique(y[~held])) <= y.max():
        return None
    return ~held, held


_ENOUGH = 50  # rows held out, for ties to go to the simpler candidate


def choose_held_out(probe: Probe, x: np.ndarray, y: np.ndarray) -> int:
    """Index of the candidate that scores best on :meth:`~Probe.held_out`; else the middle one."""
    parts = probe.held_out(y)
    if parts is None:
        return len(probe.candidates()) // 2
    fit, held = parts
    probe.learn(x[fit], y[fit], probe.groups_of(fit))
    criterion = probe.criterion or Criterion.for_targets(y, probe.tasks)
    if held.sum() < _ENOUGH:  # within a standard error of so few rows lies the guess of shares, too
        criterion = replace(criterion, one_se=False)
    return criterion.best(probe.scores(x[held]), y[held], probe.groups_of(held), probe.simplicity())
