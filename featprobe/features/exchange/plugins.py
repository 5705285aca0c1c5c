"""Importers that other packages and scripts add: features in a format of their own.

@featprobe.register("importer", "ours", suffixes=[".ours"])
def read(path):
    return {"cls": array}, {"id": ids, "label": labels}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import FeatprobeError, InputError, UnknownName, nearest, reason
from featprobe.core.options import Checked
from featprobe.core.plugins import added, came, function_of, known_facts, loaded

OWN = (".npy", ".safetensors", ".parquet")  # read by featprobe unless an importer is named
EXPECTED = (
    "(arrays, columns): a mapping from outputs to float arrays, and one from 'id', 'label', "
    "'group', 'split' to a value a row"
)


@dataclass(frozen=True)
class Importer(Checked):
    """A registered function of a path that returns arrays and columns.

    ``arrays``: name of an output -> (rows, D), (rows, blocks, D) or (rows, blocks, h, w, D) of
    floats; ``columns``: name -> a value a row, of which ``id`` has to be there, as in the table of
    ``featprobe import --items``. ``suffixes``: of files that it is for without being named.
    """

    name: str
    function: Callable[[Path], Any]
    suffixes: tuple[str, ...] = ()
    of: str = ""

    def owner(self) -> str:
        return f"importer {self.name}"

    def check(self) -> None:
        small = tuple(s.lower() for s in self.suffixes)
        if odd := [s for s in small if not s.startswith(".") or len(s) < 2]:
            raise InputError(f"{self.owner()}: a suffix begins with a dot, unlike {odd[0]!r}")
        object.__setattr__(self, "suffixes", small)

    def read(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
        """Arrays, and columns as text. Raises :class:`InputError` that says what came."""
        try:
            found = self.function(path)
        except FeatprobeError:
            raise
        except Exception as error:
            raise InputError(
                f"{path}: {self.owner()} of {self.of} failed: {reason(error)}"
            ) from error
        if not isinstance(found, tuple) or len(found) != 2:
            raise InputError(f"{path}: {self.owner()} must return {EXPECTED}, not {came(found)}")
        arrays, columns = found
        for part in (arrays, columns):
            if not isinstance(part, Mapping):
                raise InputError(f"{path}: {self.owner()} must return {EXPECTED}, not {came(part)}")
        for name, values in arrays.items():
            if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim < 2:
                was = came(values)
                if isinstance(values, np.ndarray):
                    was = f"an array of {values.dtype} of shape {values.shape}"
                raise InputError(
                    f"{path}: {self.owner()}: {name!r} must be a float array (rows, D), not {was}"
                )
        return dict(arrays), {
            n: _texts(f"{path}: {self.owner()}", n, v) for n, v in columns.items()
        }


def _texts(where: str, name: str, values: Any) -> list[str]:
    if isinstance(values, (str, bytes)) or np.ndim(values) != 1:
        raise InputError(f"{where}: column {name!r} must be one value a row, not {came(values)}")
    return ["" if v is None or v != v else str(v) for v in np.asarray(values, dtype=object)]


def plugin(name: str, value: Any, of: str, **facts: Any) -> Importer:
    """An importer; ``suffixes``: of files that it is for without being named."""
    known_facts("importer", name, facts, ("suffixes",))
    return Importer(name, function_of("importer", name, value), of=of, **facts)


def importer(path: Path, name: str | None) -> Importer | None:
    """The importer of a name, or the one that a file's suffix asks for.

    Raises :class:`UnknownName`, and :class:`InputError` where several are for the suffix.
    """
    if name is not None:
        known = added("importer")
        if name not in known:
            there = f"There are: {', '.join(known)}" if known else "No package has any"
            raise UnknownName(f"unknown importer {name!r}.{nearest(name, known)} {there}")
        found: Importer = known[name]()
        return found
    if path.is_dir() or path.suffix in OWN:
        return None
    able = [i for i in loaded("importer").values() if path.name.lower().endswith(i.suffixes)]
    if len(able) > 1:
        names = ", ".join(i.name for i in able)
        raise InputError(f"{path}: is for the importers {names}; name one with --format")
    return able[0] if able else None
