"""What is written about a store as JSON, sealed, and a copy of it beside the store.

The copy lies where locks and the number of the last use lie. It holds what no other file of a store
tells, so that a damaged one is mended (:mod:`featprobe.store.mending`) and nothing is lost.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from featprobe.core.fingerprint import digest
from featprobe.store.storage_path import StoragePath

SUFFIX = ".copy"


def sealed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON gives them back, with the digest of the others under ``seal``."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(attributes)))
    plain.pop("seal", None)
    return {**plain, "seal": digest(plain)[:16]}


def file(store: StoragePath) -> StoragePath:
    """Where the copy of a store lies."""
    return store.parent / f".{store.name}{SUFFIX}"


def keep(
    store: StoragePath, attributes: Mapping[str, Any], about: Mapping[str, Any] | None
) -> None:
    """Write the copy; ``about``: that of the table of items in force, None: as it was."""
    known = copy(store)
    if about is None:
        about = known[1] if known else {}
    with contextlib.suppress(OSError):  # a cache that cannot be written is still read
        text = json.dumps(sealed({"attributes": sealed(attributes), "about": dict(about)}))
        file(store).write(text.encode(), sync=False)


def copy(store: StoragePath) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Attributes and what is said of the table of items; None without a sound copy."""
    try:
        found = json.loads(file(store).read())
        if found != sealed(found) or found["attributes"] != sealed(found["attributes"]):
            return None
        return found["attributes"], found["about"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
