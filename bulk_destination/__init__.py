"""The engine of destinations that load a service in bulk: it knows no service.

A connector hands in a `Service` (`connection.py`); `loading/walk.py` is the walk of its records.
"""

from typing import Final

#: As in setup.py and each metadata.yaml: what runs says which it is, installed or not.
__version__: Final = "1.1.0"
