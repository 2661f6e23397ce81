"""What the connector costs: speed, CPU and memory, beside what it replaces and what it stands on.

`python -m benchmarks` runs the table of `cases.py`, each case as a process of its own, in turn,
several times, and prints the medians. Its service (`service.py`) says yes to everything. Memory
and CPU are asked of the kernel as Linux tells them.
"""
