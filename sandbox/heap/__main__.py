"""`python -m sandbox.heap` is `heap-sandbox`."""

import sys

from sandbox.heap.cli import main

sys.exit(main())
