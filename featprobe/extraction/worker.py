"""A process that decodes items for an extraction: ``python -m featprobe.extraction.worker FD``.

Jobs arrive pickled on a socket; pixels go back in a shared memory file whose descriptor is sent
along, so that they are copied once and nothing stays behind when either side is killed. Imports
neither torch nor zarr.
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


def send(sock: socket.socket, value: Any, pixels: np.ndarray | None = None) -> None:
    """One message: a pickled value and, apart from it, pixels."""
    shape = None
    fd = -1
    if pixels is not None:
        pixels = np.ascontiguousarray(pixels)
        shape = (pixels.shape, pixels.dtype.str)
        if pixels.nbytes > INLINE and hasattr(os, "memfd_create"):
            fd = os.memfd_create("featprobe")
            # written and not copied into a map, whose pages would each be cleared and faulted in
            left = pixels.reshape(-1).view(np.uint8).data
            while left:  # Linux writes 2 GB at a time
                left = left[os.write(fd, left) :]
    inline = pixels.tobytes() if pixels is not None and fd < 0 else None
    body = pickle.dumps((value, shape, inline), protocol=pickle.HIGHEST_PROTOCOL)
    try:
        if fd >= 0:
            socket.send_fds(sock, [HEAD.pack(len(body))], [fd])
        else:
            sock.sendall(HEAD.pack(len(body)))
        sock.sendall(body)
    finally:
        if fd >= 0:
            os.close(fd)


def receive(sock: socket.socket) -> tuple[Any, np.ndarray | None]:
    """The next message; :class:`EOFError` when the other side is gone."""
    head, fds = b"", array.array("i")
    while len(head) < HEAD.size:
        data, found, _, _ = socket.recv_fds(sock, HEAD.size - len(head), 1)
        if not data:
            raise EOFError
        head += data
        fds.extend(found)
    try:
        value, shape, inline = pickle.loads(_exactly(sock, HEAD.unpack(head)[0]))
        if shape is None:
            return value, None
        if inline is not None:
            return value, np.frombuffer(inline, shape[1]).reshape(shape[0])
        size = int(np.prod(shape[0])) * np.dtype(shape[1]).itemsize
        shared = mmap.mmap(fds[0], size)  # lives as long as the array that views it
        return value, np.frombuffer(shared, shape[1]).reshape(shape[0])
    finally:
        for fd in fds:
            os.close(fd)


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
            (folder, job), _ = receive(sock)
            if folder:  # that of the asking process may have changed since this one was started
                os.chdir(folder)
            out = job.run()
            pixels, out.pixels = out.pixels, None
            send(sock, out, pixels)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
