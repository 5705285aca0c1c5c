"""A decoder in a file decides as it did; damaged and foreign files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import InputError, MissingPath, StoreError
from featprobe.probes.saving import FeatureSource
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.fitted import segmented
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.saving import is_decoder, read_decoder, save_decoder, saved_of
from featprobe.segmentation.training import Training
from featprobe.segmentation.work import Work
from tests.segmentation.phantoms import Phantoms

SOURCE = FeatureSource("phantoms", "told", {}, {}, "tokens", "mean", "segmentation")
QUICK = Training(lr=(1e-2, 3e-2), epochs=4, min_steps=1, batch=8)


@pytest.fixture(scope="module")
def items() -> MaskedItems:
    return MaskedItems(Phantoms(items=16, frames=2, blocks=4))


@pytest.mark.parametrize("name", ["linear", "multi", "conv", "knn", "logistic"])
def test_a_decoder_from_a_file_decides_as_it_did(
    name: str, items: MaskedItems, tmp_path: Path
) -> None:
    work = Work(make_decoder(name), items, QUICK)
    fitted = work.learn(np.arange(10))[0].only(1)
    file = save_decoder(saved_of(fitted, items, SOURCE), tmp_path / "d.safetensors")
    assert is_decoder(file)
    back = read_decoder(file)
    assert back.classes == items.classes
    assert back.fitted.candidates == fitted.candidates
    assert back.decoder == fitted.decoder
    for i in (11, 12):
        assert np.array_equal(segmented(back.fitted, items, i), segmented(fitted, items, i))


def test_what_is_no_decoder_is_named(items: MaskedItems, tmp_path: Path) -> None:
    fitted = Work(make_decoder("linear"), items, QUICK).learn(np.arange(4))[0].only(0)
    file = save_decoder(saved_of(fitted, items, SOURCE), tmp_path / "d.safetensors")
    data = bytearray(file.read_bytes())
    data[-3] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(StoreError, match="a damaged saved decoder"):
        read_decoder(file)
    file.write_text("text")
    assert not is_decoder(file)
    with pytest.raises(StoreError, match=r"d\.safetensors: not a readable saved decoder"):
        read_decoder(file)
    with pytest.raises(MissingPath, match="no such saved decoder"):
        read_decoder(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"a file named \*\.safetensors"):
        save_decoder(saved_of(fitted, items, SOURCE), tmp_path / "d.pt")
    prior = make_decoder("position").fit(items, np.arange(4), 0).only(0)
    with pytest.raises(InputError, match="position is a baseline"):
        save_decoder(saved_of(prior, items, SOURCE), tmp_path / "p.safetensors")
