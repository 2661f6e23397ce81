"""`python -m sandbox.heap`."""

import sys

from sandbox.heap.cli import main

sys.exit(main())
