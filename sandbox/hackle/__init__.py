"""A local Hackle over real HTTP, to try and to test against.

    with running(SandboxOptions(fail_rate=0.3, seed=7)) as hackle:
        ...  # send to hackle.url
        assert hackle.events(user_id="ae2182e0")

Imports run downward, and end in the parts that every stand-in has in common (`sandbox`):

    cli                      running
      app
        page
          sandbox
            store
              validation
        options
"""

from sandbox.hackle.options import SandboxOptions
from sandbox.hackle.running import running
from sandbox.hackle.sandbox import Sandbox
from sandbox.options import OptionError

__all__ = ["OptionError", "Sandbox", "SandboxOptions", "running"]
