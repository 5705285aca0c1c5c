"""Every container passes the contract suite."""

from __future__ import annotations

from featprobe.testing.stores import StoreContract


class TestZarr(StoreContract):
    kind = "zarr"


class TestHDF5(StoreContract):
    kind = "hdf5"
