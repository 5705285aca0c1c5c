"""Run a module under a torch without torchvision's compiled operators.

``python with_torchvision.py -m pytest ARGUMENTS...``. torchvision's Python code declares rules for
two operators of its compiled part and fails at import where a CPU build has none of them; declared
without an implementation they do no harm, for nothing that is tested here calls them.
"""

from __future__ import annotations

import runpy
import sys

import torch

if __name__ == "__main__":
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    flag, module, *arguments = sys.argv[1:]
    assert flag == "-m"
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
