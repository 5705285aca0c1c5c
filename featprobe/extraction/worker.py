"""A process that decodes items for an extraction: ``python -m featprobe.extraction.worker FD``.

Jobs arrive pickled on a socket; pixels go back in a shared memory file whose descriptor is sent
along, so that they are copied once and nothing stays behind when either side is killed. With a job
comes such a file that was read, if there is one: its pages are there, and need not be found and
cleared for every film. Imports neither torch nor zarr.
"""

from __future__ import annotations

import array
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
from typing import Any

import numpy as np

from featprobe.core.memory import keep_freed

READY = "ready"  # the first message, from when on an item takes time
INLINE = 1 << 16  # smaller pictures travel in the message itself
HEAD = struct.Struct("!Q")


class Memory:
    """Shared memory of ``size`` bytes behind a descriptor, which it closes."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size = fd, size
        self._map: mmap.mmap | None = None  # made once, its pages stay where they are

    def write(self, pixels: np.ndarray) -> None:
        """From the beginning. Written and not copied into a map, whose pages would each be cleared
        and faulted in."""
        data, at = pixels.reshape(-1).view(np.uint8).data, 0
        while at < len(data):  # Linux writes 2 GB at a time
            at += os.pwrite(self.fd, data[at:], at)

    def array(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """What was written, not copied; the memory lives as long as a view of it."""
        if self._map is None:
            self._map = mmap.mmap(self.fd, self.size)
        count = int(np.prod(shape))
        return np.frombuffer(self._map, dtype, count).reshape(shape)

    def close(self) -> None:
        """Of no further use to write to; arrays stay."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def send(
    sock: socket.socket, value: Any, pixels: np.ndarray | None = None, *,
    into: Memory | None = None, lend: Memory | None = None,
) -> None:  # fmt: skip
    """One message: a pickled value and, apart from it, pixels.

    ``into``: a memory of the other side that pixels go into where they fit. ``lend``: one of this
    side, which goes along with a message without pixels.
    """
    shape = inline = made = None
    if pixels is not None:
        pixels = np.ascontiguousarray(pixels)
        shape = (pixels.shape, pixels.dtype.str)
        if pixels.nbytes <= INLINE or not hasattr(os, "memfd_create"):
            inline = pixels.tobytes()
        else:
            if into is None or pixels.nbytes > into.size:
                into = made = Memory(os.memfd_create("featprobe"), pixels.nbytes)
            into.write(pixels)
    along = lend if made is None else made
    head = (value, shape, inline, 0 if along is None else along.size)
    body = pickle.dumps(head, protocol=pickle.HIGHEST_PROTOCOL)
    try:
        if along is not None:
            socket.send_fds(sock, [HEAD.pack(len(body))], [along.fd])
        else:
            sock.sendall(HEAD.pack(len(body)))
        sock.sendall(body)
    finally:
        if made is not None:
            made.close()


def receive(
    sock: socket.socket, lent: Memory | None = None
) -> tuple[Any, np.ndarray | None, Memory | None]:
    """The next message; :class:`EOFError` when the other side is gone.

    ``lent``: what this side has lent for the pixels. Returns the value, pixels, and the memory that
    they lie in; of a message without pixels the memory that comes with it, to be written to.
    """
    head, fds = b"", array.array("i")
    try:
        while len(head) < HEAD.size:
            data, found, _, _ = socket.recv_fds(sock, HEAD.size - len(head), 1)
            if not data:
                raise EOFError
            head += data
            fds.extend(found)
        value, shape, inline, size = pickle.loads(_exactly(sock, HEAD.unpack(head)[0]))
        memory = Memory(fds.pop(), size) if size else None
    finally:
        for fd in fds:
            os.close(fd)
    if shape is None:
        return value, None, memory
    if inline is not None:
        return value, np.frombuffer(inline, shape[1]).reshape(shape[0]), None
    memory = memory or lent
    assert memory is not None
    return value, memory.array(*shape), memory


def _exactly(sock: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        n = sock.recv_into(view[got:])
        if not n:
            raise EOFError
        got += n
    return data


def main() -> None:
    """Serve jobs until the other side closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    keep_freed()  # one picture after the other
    sock = socket.socket(fileno=int(sys.argv[1]))
    try:
        send(sock, READY)
        while True:
            (folder, job), _, lent = receive(sock)
            if folder:  # that of the asking process may have changed since this one was started
                os.chdir(folder)
            out = job.run()
            pixels, out.pixels = out.pixels, None
            send(sock, out, pixels, into=lent)
            if lent is not None:
                lent.close()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
