"""The lock of an open file, which the system releases when it is closed or its process ends."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # Windows: no locks
    fcntl = None  # type: ignore[assignment]


def lock(handle: int, wait: bool = False) -> bool | None:
    """Lock an open file or folder (``flock``) until ``handle`` is closed.

    False while another handle has it (never with ``wait``), None where there are no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
