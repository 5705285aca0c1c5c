"""What every page is made of: its template, its policy, its file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, reason


def asset(*names: str) -> str:
    """The text of files of the package, one after another."""
    folder = resources.files("featprobe.report") / "assets"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A template of the package with ``@@name@@`` replaced; no value is looked into."""
    pieces = asset(template).split("@@")  # text, name, text, name, ..., text
    pieces[1::2] = [parts[p] for p in pieces[1::2]]
    return "".join(pieces)


def whole(template: str, parts: Mapping[str, str]) -> str:
    """A page: the head that all have, and the body of a template."""
    return filled("head.html", parts) + filled(template, parts)


def policy(script: str, images: bool = False) -> str:
    """A Content-Security-Policy under which this script alone runs, and nothing is asked for.

    ``images``: those within the file are shown.
    """
    found = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    more = "; img-src data:" if images else ""
    rules = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{found}'{more}"
    return escape(f"{rules}; form-action 'none'; base-uri 'none'", quote=False)


def write(path: Path, text: str) -> Path:
    """Write a page. Raises :class:`InputError` where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path
