"""The engine for callers in Python: rows in, a report out, by the walk that Airbyte's `write` goes.
It prints nothing, sets up no logger and no signal, and two loads at once share nothing.
"""
