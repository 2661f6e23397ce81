"""`python -m sandbox.hackle` is `hackle-sandbox`."""

import sys

from sandbox.hackle.cli import main

sys.exit(main())
