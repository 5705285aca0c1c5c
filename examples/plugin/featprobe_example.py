"""What a package adds to featprobe: a backbone, a reader, a metric and a probe."""

from pathlib import Path

import numpy as np

import featprobe
from featprobe.probes.base import Probe


@featprobe.register("backbone", "example_filters", width=16, blocks=1, data=["nothing: random"])
def filters(init: str | None = None, seed: int = 0, image_size: int | None = None):
    """Sixteen random filters and their squares' means, by a torch module of one's own."""
    import torch  # here, so that processes that only read images do without

    class Filters(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filters = torch.nn.Conv2d(3, 16, 8, 4)

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return self.filters(frames).square().mean((2, 3))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Filters()
    size = image_size or 32
    return featprobe.Backbone.from_module(
        module, {"resize": (size, size), "crop": size}, random=True, version=1
    )


@featprobe.register("reader", "example_grey", suffixes=[".grey"], version=1)
def read(path: Path) -> np.ndarray:
    """Height and width as little-endian 16-bit numbers, then the grey values, a byte each."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    height, width = data[:4].view("<u2").tolist()
    return data[4:].reshape(height, width)


@featprobe.register("metric", "example_gmean", label="G-mean", low=0, high=1)
def gmean(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
    """Geometric mean of the recalls of all classes (Kubat and Matwin 1997)."""
    right = (p.argmax(1) == y) * weights
    recalls = [right[y == c].sum() / weights[y == c].sum() for c in np.unique(y)]
    return float(np.prod(recalls) ** (1 / len(recalls)))


@featprobe.register("probe", "example_centroid")
class Centroid(Probe):
    """Softmax of minus the squared distance to the mean of each class, by the features' spread."""

    tasks = ("multiclass", "ordinal")

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> "Centroid":
        self.means = np.stack([x[y == c].mean(0) for c in range(int(y.max()) + 1)])
        self.spread = float(np.square(x - self.means[y]).sum(1).mean()) or 1.0
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        far = np.square(x[:, None] - self.means).sum(2) / (self.spread * self.temperature)
        p = np.exp(far.min(1, keepdims=True) - far)
        return (p / p.sum(1, keepdims=True))[None]
