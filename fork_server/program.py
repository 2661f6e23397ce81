"""A program that stands for a fork: `program.py SOCKET RUN PID_FILE ARGV...`.

Started once for each fork, so it imports little. It ends as the fork ends, by a signal too.
"""

import json
import os
import select
import signal
import socket
import struct
import sys

_NUMBER = struct.Struct("!q")
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Asks for the fork and waits for its end."""
    address, run, pid_file, *argv = sys.argv[1:]
    job = {"run": run, "argv": argv, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    raw = json.dumps(job).encode()
    # Not before there is a fork to hand them to; until then they wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [struct.pack("!I", len(raw))], [0, 1, 2])
        server.sendall(raw)
        # The fork has them now; who reads or writes at the other end must see its end.
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        (pid,) = _NUMBER.unpack(server.recv(_NUMBER.size, socket.MSG_WAITALL))
        with open(pid_file, "w") as file:  # noqa: PTH123  # pathlib takes longer than the rest
            file.write(f"{pid}\n")
        # By a descriptor: a handler of Python's would not run while `recv` waits, if the signal
        # came just before.
        woken, wakes = socket.socketpair()
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        for number in _PASSED_ON:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        while server not in (ready := select.select([server, woken], [], [])[0]):
            for came in woken.recv(64) if woken in ready else b"":
                os.kill(pid, came)
        (code,) = _NUMBER.unpack(server.recv(_NUMBER.size, socket.MSG_WAITALL))
    if code < 0:
        if -code in _PASSED_ON:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
