"""versions.py: what is installed, by name, and nothing that is not."""

import numpy

from featprobe.core._version import __version__
from featprobe.core.versions import version_of, versions_of


def test_installed_packages_have_a_version_and_others_are_left_out() -> None:
    found = versions_of(["numpy", "no-such-package-at-all"])
    assert found == {"featprobe": __version__, "numpy": numpy.__version__}
    assert version_of("no-such-package-at-all") is None
