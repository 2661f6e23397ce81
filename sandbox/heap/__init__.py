"""A local Heap over real HTTP, to try and to test against.

    with running(SandboxOptions(fail_rate=0.3, seed=7)) as heap:
        ...  # send to heap.url
        assert heap.events(identity="a@example.com")

Imports run downward, and end in the parts that every stand-in has in common (`sandbox`):

    cli                      running
      app
        page
          sandbox
            validation, store
        options
"""

from sandbox.heap.options import SandboxOptions
from sandbox.heap.running import running
from sandbox.heap.sandbox import Sandbox
from sandbox.options import OptionError

__all__ = ["OptionError", "Sandbox", "SandboxOptions", "running"]
