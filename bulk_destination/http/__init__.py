"""One request to a service, tried until its reply settles it.

All HTTP to the service is here; what a reply means, and how long to wait, is decided without it.
"""
