"""What is said on the socket, by both sides and by the program that stands for a fork."""

from __future__ import annotations

import base64
import json
import pickle
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: A pid, or an exit code: negative for a signal.
NUMBER: Final = struct.Struct("!q")
#: Bytes of a job, before the job.
_SIZE: Final = struct.Struct("!I")


@dataclass(frozen=True)
class Job:
    """What a fork does: `run` is what is called, `argv` becomes `sys.argv`, in `folder` it starts.

    `run` is what `pickled` makes of a function that pickle finds by its name. A job is sent as
    JSON, so that a program need not import pickle to ask for it.
    """

    run: str
    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str]

    def do(self) -> None:
        """Calls `run`."""
        pickle.loads(base64.b64decode(self.run))()


def pickled(run: Callable[[], object]) -> str:
    """`run` as a job has it."""
    return base64.b64encode(pickle.dumps(run)).decode()


def send(server: socket.socket, job: Job, streams: Sequence[int]) -> None:
    """Asks for a fork with these three descriptors."""
    raw = json.dumps(vars(job)).encode()
    socket.send_fds(server, [_SIZE.pack(len(raw))], streams)
    server.sendall(raw)


def receive(caller: socket.socket) -> tuple[Job, list[int]]:
    """The other side of `send`; raises an EOFError if the caller is gone."""
    size, streams, _, _ = socket.recv_fds(caller, _SIZE.size, 3)
    if len(size) != _SIZE.size:
        raise EOFError
    (length,) = _SIZE.unpack(size)
    raw = caller.recv(length, socket.MSG_WAITALL)
    return Job(**json.loads(raw)), streams
