"""The studio: a page on this machine that shows a mapping while one makes it. It decides nothing:
what a record becomes is said by the same code that `preview` and `write` go through.
"""
