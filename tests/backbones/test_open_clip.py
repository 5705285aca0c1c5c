"""open_clip:ARCH:TAG against open_clip's own models; its absence is tested in test_timm.py."""

from __future__ import annotations

from tests.backbones.test_timm import in_a_process


def test_towers_equal_open_clips_own() -> None:
    in_a_process("open_clip_cases.py", "open_clip", "timm")
