"""The source of classes and functions, where two that do the same are to be alike."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import Any

from featprobe.core.fingerprint import digest

PLAIN = (bool, int, float, str, bytes, type(None))


def source_of(of: Any) -> str:
    """The source of a class or function without comments and layout.

    What stands for it where there is none (typed at a prompt, a part of a line), else its name.
    """
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(of))))
    except (OSError, TypeError, SyntaxError):
        return _compiled(of) or f"{of.__module__}.{getattr(of, '__qualname__', type(of).__name__)}"


def module_digest(of: Any) -> str:
    """12 hex digits of the source of the module that defines a function, or of the function alone
    where that is a script or a notebook."""
    module = sys.modules.get(getattr(of, "__module__", ""))
    alone = module is None or module.__name__ == "__main__"
    return digest(source_of(of if alone else module))[:12]


def _compiled(of: Any) -> str:
    """Names, constants and instructions."""
    functions = [of] if not inspect.isclass(of) else vars(of).values()
    codes = [f.__code__ for f in functions if inspect.isfunction(f)]
    return "".join(f"{c.co_name}{c.co_names}{_constants(c)}{c.co_code.hex()}" for c in codes)


def _constants(code: Any) -> list[str]:
    return [repr(c) for c in code.co_consts if isinstance(c, PLAIN)]
