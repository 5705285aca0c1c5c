"""What every backbone must do, built in or of another package.

class TestMine(BackboneContract):
    name = "mine"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import load_backbone
from featprobe.backbones.plugins import models


class BackboneContract:
    """Subclass, set ``name``, and ``options`` of ``load_backbone`` where it is to be small."""

    name: str = ""
    options: ClassVar[Mapping[str, Any]] = {}

    def load(self) -> Backbone:
        """The backbone."""
        return load_backbone(self.name, **self.options)

    def frames(self, backbone: Backbone, n: int = 3) -> Any:
        """Frames (n, 3, h, w) as the network sees them."""
        pixels = np.random.default_rng(0).integers(0, 256, (n, 40, 30), np.uint8)
        return backbone.prepare(pixels, 0, 255)

    def test_it_is_listed(self) -> None:
        assert models()[self.name].name == self.name

    def test_outputs_have_the_shapes_that_are_said(self) -> None:
        backbone = self.load()
        wanted = list(backbone.outputs)
        out = backbone.forward(self.frames(backbone), outputs=wanted)
        assert set(out) == set(wanted)
        for name, value in out.items():
            assert value.shape[1:] == backbone.shape(name, value.shape[1])
            assert bool(value.isfinite().all())

    def test_a_frame_has_its_features_whatever_is_beside_it(self) -> None:
        backbone = self.load()
        x, wanted = self.frames(backbone), list(backbone.outputs)
        whole, alone = (backbone.forward(part, outputs=wanted) for part in (x, x[1:2]))
        for name in wanted:
            np.testing.assert_allclose(whole[name][1:2], alone[name], rtol=1e-3, atol=1e-4)

    def test_it_is_frozen_and_loads_as_the_same_again(self) -> None:
        one, other = self.load(), self.load()
        assert not one.module.training
        assert not any(p.requires_grad for p in one.module.parameters())
        assert one.weights_sha256 == other.weights_sha256
        assert one.versions == other.versions
        assert one.name == other.name
