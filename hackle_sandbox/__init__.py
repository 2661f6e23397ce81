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

from hackle_sandbox.options import SandboxOptions
from hackle_sandbox.running import running
from hackle_sandbox.sandbox import Sandbox
from sandbox.options import OptionError

__all__ = ["OptionError", "Sandbox", "SandboxOptions", "running"]
