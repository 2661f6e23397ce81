"""Seeded syncs into a local Heap or Hackle that fails, and the proof that nothing was lost or
doubled.

    python -m integration_tests.chaos                                     # the long run, figures
    python -m integration_tests.chaos --service hackle --seed 1 --run 17  # one of its runs again

A service, a seed and a number give a `Scenario`: what the source says, what the service does to
the requests, what befalls them on the way, and at which moments the connector is killed. The
connector is a process, the service a server on a real socket; between them stand a `Relay`, which
is the way, and before the service's door a `Witness`. Imports run downward:

    __main__
    play                          one run, from its scenario to its figures
    verdict    quotas             what must hold
    model      witness   relay   process
    scenario             leaks   kept
    source

`source`, `scenario`, `model` and `verdict` share no code with the connectors: they say for
themselves what comes in, what must land, and when a state may leave.
"""
