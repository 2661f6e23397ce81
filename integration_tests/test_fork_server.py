"""A fork of a process that has done its imports, in place of a program: what must be the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fork_server import ForkServer
from integration_tests.chaos.process import FORKS

PATIENCE = 60.0


def code(text: str) -> Callable[[], object]:
    """Python code as a function that can be pickled."""
    return partial(exec, textwrap.dedent(text), {"__name__": "__main__"})


def done(text: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A fork that runs this code."""
    return FORKS.run(code(text), ["a.py"], input=input, timeout=PATIENCE)


def ended(pid: int) -> bool:
    """Whether there is no such process any more, within a while."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_it_gets_what_a_program_gets(tmp_path: Path) -> None:
    """Its arguments, folder, environment and three streams, and no other descriptor."""
    text = """
        import os, sys
        listed = set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set("012")
        print(sys.argv, os.getcwd(), dict(os.environ), sys.stdin.read())
        print("errors", len(listed - set("012")), file=sys.stderr)
    """
    ran = FORKS.run(code(text), ["a.py", "b"], input=b"fed", cwd=tmp_path, env={"A": "ü"})
    assert ran.stdout.decode() == f"['a.py', 'b'] {tmp_path} {{'A': 'ü'}} fed\n"
    # The one more is that of the folder that is listed.
    assert ran.stderr == b"errors 1\n"


def test_nothing_is_left_for_the_next() -> None:
    """What one changes in itself (environment, loggers, modules, signals) the next does not see."""
    text = """
        import json, logging, os, signal
        print(os.environ.get("LEFT"), len(logging.root.handlers), hasattr(json, "left"))
        print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), os.getpgid(0) > 0)
        os.environ["LEFT"], json.left = "a", 1
        logging.root.addHandler(logging.NullHandler())
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    """
    first, second = done(text), done(text)
    assert first.stdout == second.stdout
    assert first.stdout.startswith(b"None ")
    assert b"default_int_handler" in first.stdout


@pytest.mark.parametrize(
    ("text", "exit_code", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import atexit, sys; atexit.register(print, 'bye', file=sys.stderr)", 0, "bye\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
    ],
)
def test_it_ends_as_a_program_ends(text: str, exit_code: int, said: str) -> None:
    """Python's own end: exit codes, what is to be done at exit, and signals."""
    ran = done(text)
    assert (ran.returncode, ran.stderr.decode()) == (exit_code, said)


def test_an_error_is_told() -> None:
    """The stack on stderr, and 1."""
    ran = done("raise ValueError('of this kind')")
    assert ran.returncode == 1
    assert ran.stderr.endswith(b"ValueError: of this kind\n")


def test_ctrl_c() -> None:
    """SIGINT is a KeyboardInterrupt, as in a program that a terminal has started."""
    fork = FORKS.popen(code("import time; print('on', flush=True); time.sleep(60)"), ["a.py"])
    assert fork.stdout.readline() == b"on\n"
    fork.send_signal(signal.SIGINT)
    assert fork.wait(PATIENCE) == -signal.SIGINT


def test_a_missing_flush_is_seen() -> None:
    """stdout is buffered as into any pipe: what was not flushed dies with the process."""
    text = "import os, sys; print(sys.stdin.read()); sys.stdin.closed or os.kill(os.getpid(), 9)"
    assert done(text, b"lost").stdout == b""
    assert done("print('kept')").stdout == b"kept\n"


def test_a_reader_that_is_gone_is_seen() -> None:
    """It is a broken pipe, as for any program."""
    fork = FORKS.popen(code("import time; time.sleep(0.2); print('x' * 100_000)"), ["a.py"])
    fork.stdout.close()
    assert fork.wait(PATIENCE) == 1
    assert fork.stderr is not None
    assert b"BrokenPipeError" in fork.stderr.read()


def test_the_end_of_its_input_is_seen_while_others_run() -> None:
    """No other fork keeps its pipes open."""
    waiting = code("import sys; print(len(sys.stdin.read()))")
    forks = [FORKS.popen(waiting, ["a.py"]) for _ in range(3)]
    for fork in forks:
        fork.stdin.close()
        assert fork.wait(PATIENCE) == 0


def test_time_runs_out() -> None:
    """What does not end in time is killed."""
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        FORKS.run(code("import time; time.sleep(60)"), ["a.py"], timeout=0.2)
    assert time.monotonic() - began < 30


def test_a_shell_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONUNBUFFERED, set where the tests are started, changes neither server nor fork."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    text = "import os, sys; print(sys.stdout.write_through, sorted(os.environ))"
    for server in (FORKS, ForkServer("json")):
        shown = server.run(code(text), ["a.py"], timeout=PATIENCE).stdout
        assert shown.startswith(b"False ")
        assert b"PYTHONUNBUFFERED" not in shown
        assert b"proxy" not in shown


def test_a_server_with_a_thread_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A lock that the thread holds would stay locked in the fork."""
    script = "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True)"
    (tmp_path / "with_a_thread.py").write_text(f"{script}.start()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="the fork server is gone"):
        ForkServer("with_a_thread").run(code("pass"), ["a.py"], timeout=PATIENCE)
    assert "a thread could hold a lock" in capfd.readouterr().err


def test_the_server_ends_with_who_asked() -> None:
    """Whoever kills the tests leaves no server behind."""
    text = """
        import os, signal
        from fork_server import ForkServer
        from functools import partial
        fork = ForkServer("json").popen(partial(exec, "import os; print(os.getppid())"), [])
        print(fork.stdout.readline().decode(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert ended(int(killed.stdout.split()[-1]))


# -- a program that stands for a fork -----------------------------------------------------------


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A program that shows what it is given, and ends by what it is fed."""
    text = """
        import os, sys
        print(sys.argv[1:], os.environ["A"], os.getcwd(), flush=True)
        print("errors", file=sys.stderr, flush=True)
        exec(sys.stdin.readline())
    """
    FORKS.program(tmp_path / "echo", code(text))
    return tmp_path / "echo"


def test_a_program(echo: Path, tmp_path: Path) -> None:
    """It passes on its arguments, folder, environment and streams, and ends as the fork ends."""
    ran = subprocess.run(
        [echo, "b c", "'"],
        input=b"sys.exit(4)\n",
        capture_output=True,
        cwd=tmp_path,
        env={"A": "1", "PATH": os.environ["PATH"]},
        check=False,
    )
    assert ran.returncode == 4
    assert ran.stdout.decode() == f"""['b c', "'"] 1 {tmp_path}\n"""
    assert ran.stderr == b"errors\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_passes_signals_on(echo: Path, number: signal.Signals) -> None:
    """The fork has them, and the program ends by what the fork made of it."""
    with subprocess.Popen(
        [echo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"A": "1"}
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(
            b"import signal, time; how = lambda n, _: sys.exit(40 + n);"
            b"signal.signal(2, how); signal.signal(15, how);"
            b"print('on', flush=True); time.sleep(60)\n"
        )
        program.stdin.flush()
        program.stdout.readline()
        assert program.stdout.readline() == b"on\n"
        program.send_signal(number)
        assert program.wait(PATIENCE) == 40 + number


def test_a_program_whose_fork_is_killed(echo: Path) -> None:
    """It dies of the same, and who reads its stdout sees the end."""
    with subprocess.Popen(
        [echo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"A": "1"}
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        os.kill(int(Path(f"{echo}.pid").read_text()), signal.SIGKILL)
        assert program.stdout.read() == b""
        assert program.wait(PATIENCE) == -signal.SIGKILL
