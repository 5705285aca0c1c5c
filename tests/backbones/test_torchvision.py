"""torchvision:NAME, where it is installed."""

from tests.backbones.test_timm import in_a_process


def test_networks_equal_torchvisions_own() -> None:
    in_a_process("torchvision_cases.py")
