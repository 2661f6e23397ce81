"""Processes that have done their imports before they begin: forks of one that does nothing else.

Importing Airbyte's CDK costs seconds of each start. A fork is a process like any other: it has
its own pid, pipes, signals, memory and exit code, and ends as Python ends. What it cannot show is
what happens while a program starts, so whoever uses forks starts the program itself as well.

What else a fork could hide, and why it does not:

- A lock that another thread held at the fork would stay locked: the server has one thread, and
  refuses to fork with more.
- Something left over from a run before: each is forked from a server that has run nothing.
- PYTHONUNBUFFERED and PYTHONDONTWRITEBYTECODE: neither the server nor a fork is given them.
- What a module reads from the environment while it is imported: that is the server's. A test
  about a variable starts the program itself.
"""

from fork_server.process import Forked, ForkServer, inherited

__all__ = ["ForkServer", "Forked", "inherited"]
