"""What a user would pick instead, each set up as its own documents say.

Each is a program of its own, `python -m benchmarks.peers.NAME BASE_URL KIND < messages.jsonl`, and
sends the items of `payloads.py`, 1,000 a request. It prints `{"rows": n, "seconds": s}`, also when
it fails: how many of them landed only the service knows.

`dlt_loader` and `drt_loader` run in environments of their own (`make peer-environments`) that
have nothing of this project, so none of these imports more than they have.
"""
