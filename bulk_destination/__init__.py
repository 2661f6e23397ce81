"""The engine of destinations that load a service in bulk: it knows no service.

A connector hands in a `Service` (`connection.py`); `sync.py` is the walk of its records.
"""
