"""Where items lie on a map: two principal components, t-SNE or UMAP of their features."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, MissingExtra, look_up
from featprobe.neighbours.search import METRICS

TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
LARGE = 10_000  # items above which t-SNE takes openTSNE's interpolation (Linderman et al. 2019)
_FIRST = 50  # principal components on which t-SNE and UMAP begin
_PERPLEXITY, _NEIGHBOURS = 30.0, 15
EXTRA = "pip install 'featprobe[map]'"


@dataclass(frozen=True)
class Layout:
    """Items in the plane.

    ``xy`` (N, 2) float32, ``method`` one of :data:`TITLES`, ``settings`` what it was made with,
    ``quality`` as of :func:`~featprobe.figures.embedding.quality.quality`.
    """

    method: str
    xy: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The method as it is written."""
        return TITLES[self.method]


def prepared(x: np.ndarray, metric: str) -> np.ndarray:
    """Features (N, D) float32 whose Euclidean distances say what ``metric`` calls near.

    ``cosine``: rows of unit length, of which distances have the order of cosines; ``l2``: as they
    are. Raises :class:`InputError` for another metric and for values that are not finite.
    """
    if metric not in METRICS:
        raise InputError(f"map metric {metric!r}: choose of {', '.join(METRICS)}")
    x = np.asarray(x, dtype=np.float32)
    if x.ndim != 2 or not x.shape[1]:
        raise InputError(f"a map is made of features (N, D), not of an array {x.shape}")
    bad = ~np.isfinite(x).all(1)
    if bad.any():
        raise InputError(f"features of {int(bad.sum())} items are not finite: extract them again")
    if metric == "l2":
        return x
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1))


def layout(x: np.ndarray, method: str = "pca", seed: int = 0) -> Layout:
    """A map of prepared features (N, D), the same for the same features, method and seed.

    ``pca``: the two components of most variance. ``tsne``: van der Maaten & Hinton 2008 from these
    components; by scikit-learn (Barnes-Hut), of more than :data:`LARGE` items by openTSNE.
    ``umap``: McInnes et al. 2018, by umap-learn. The last two begin on 50 principal components.

    Raises :class:`UnknownName`, :class:`InputError` for fewer than four items, and
    :class:`MissingExtra` where a library is not installed.
    """
    make: Callable[[np.ndarray, int], Layout] = look_up("method of a map", method, _METHODS)
    if len(x) < 4:
        raise InputError(f"a map of {len(x)} items shows nothing: four are the least")
    made = make(x, seed)
    if not np.isfinite(made.xy).all():
        raise InputError(f"{made.title} of these features is not finite: take --method pca")
    return made


def _pca(x: np.ndarray, seed: int) -> Layout:
    scores, shares = _components(x, 2, seed)
    xy = np.zeros((len(x), 2), np.float32)
    xy[:, : scores.shape[1]] = scores
    return Layout("pca", xy, {"variance": [round(float(s), 6) for s in shares]})


def _components(x: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.decomposition import PCA

    if not np.ptp(x, axis=0).any():  # all alike: there is no direction
        return np.zeros((len(x), min(n, x.shape[1])), np.float32), np.zeros(min(n, x.shape[1]))
    fitted = PCA(min(n, *x.shape), random_state=seed, svd_solver="auto")
    scores = fitted.fit_transform(x)
    return np.asarray(scores), np.nan_to_num(fitted.explained_variance_ratio_)


def _begun(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What t-SNE and UMAP see of the features, and where points start."""
    scores, _ = _components(x, _FIRST, seed)
    start = np.zeros((len(x), 2))
    start[:, : scores.shape[1]] = scores[:, :2]
    spread = start[:, 0].std()
    return scores, start / (spread if spread > 0 else 1.0)


def _tsne(x: np.ndarray, seed: int) -> Layout:
    seen, start = _begun(x, seed)
    perplexity = min(_PERPLEXITY, (len(x) - 1) / 3)
    if len(x) > LARGE:
        library = _library("openTSNE", f"t-SNE of {len(x)} items", "or draw fewer with --sample")
        made = library.TSNE(
            perplexity=perplexity, initialization=1e-4 * start, random_state=seed,
            negative_gradient_method="fft", neighbors="approx",
        ).fit(seen)  # fmt: skip
        by = "openTSNE"
    else:
        from sklearn.manifold import TSNE

        made = TSNE(
            2, perplexity=perplexity, init=(1e-4 * start).astype(np.float32), random_state=seed
        ).fit_transform(seen)
        by = "scikit-learn"
    settings = {"perplexity": round(perplexity, 3), "seed": seed, "library": by}
    return Layout("tsne", np.asarray(made, np.float32), settings)


def _umap(x: np.ndarray, seed: int) -> Layout:
    library = _library("umap", "UMAP", "or take --method tsne")
    seen, start = _begun(x, seed)
    neighbours = min(_NEIGHBOURS, len(x) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one thread makes it repeatable, as is wanted
        made = library.UMAP(
            n_neighbors=neighbours, init=(10 * start).astype(np.float32), random_state=seed,
            n_jobs=1,
        ).fit_transform(seen)  # fmt: skip
    settings = {"neighbours": neighbours, "seed": seed, "library": "umap-learn"}
    return Layout("umap", np.asarray(made, np.float32), settings)


def _library(name: str, what: str, instead: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = {"umap": "umap-learn"}.get(name, name)
        raise MissingExtra(f"{what} needs {package}: {EXTRA}, {instead}") from None


_METHODS: dict[str, Callable[[np.ndarray, int], Layout]] = {
    "pca": _pca,
    "tsne": _tsne,
    "umap": _umap,
}
