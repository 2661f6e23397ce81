"""`python -m sandbox.hackle`."""

import sys

from sandbox.hackle.cli import main

sys.exit(main())
