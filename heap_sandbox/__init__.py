"""A local Heap over real HTTP, to try and to test against.

    with running(SandboxOptions(fail_rate=0.3, seed=7)) as heap:
        ...  # send to heap.url
        assert heap.events(identity="a@example.com")

Imports run downward:

    cli                                 running
      command     app                   app
                    page, guard
                    sandbox   intake
                      validation, store   server, journal, faults
                      quotas, history       answers
                      property_counts
    options

`answers`, `faults`, `quotas`, `history`, `property_counts`, `journal`, `guard`, `server`, `intake`
and `command` know nothing of Heap; `validation`, `store`, `sandbox`, `page`, `app` and `cli` do.
"""

from heap_sandbox.options import OptionError, SandboxOptions
from heap_sandbox.running import running
from heap_sandbox.sandbox import Sandbox

__all__ = ["OptionError", "Sandbox", "SandboxOptions", "running"]
