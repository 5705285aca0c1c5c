"""A process of ``--devices``: ``python -m featprobe.extraction.device_process SOCKET FILE DEVICE``.

FILE is a descriptor shared with its siblings, of what they work on. Answers on the socket until
the leading process closes it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
from dataclasses import replace
from multiprocessing.connection import Connection


def main() -> None:
    """Serve the leading process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # the coordinator answers those, and says when to stop
    connection = Connection(int(sys.argv[1]))
    import torch

    from featprobe.core.errors import InputError, reason
    from featprobe.extraction.numa import affinity, bind
    from featprobe.extraction.shard_worker import Report, ShardWorker, plain

    try:
        try:
            with mmap.mmap(int(sys.argv[2]), 0, access=mmap.ACCESS_READ) as file:
                work, o = pickle.loads(file)
            target = torch.device(sys.argv[3])
            bind(0, affinity(target))  # with its threads and decoders, which are begun later
            worker = ShardWorker(work, replace(o, target=target))
        except (AttributeError, ImportError) as error:  # a class of a script's __main__
            text = f"the model or the data set cannot be loaded in another process: {reason(error)}"
            connection.send(Report(error=InputError(text)))
            return
        except Exception as error:
            connection.send(Report(error=plain(error)))
            return
        connection.send(Report())
        while True:
            connection.send(worker.exchange(*connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    finally:
        os._exit(0)  # its thread may be amid a shard


if __name__ == "__main__":
    main()
