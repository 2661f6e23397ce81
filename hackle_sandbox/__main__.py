"""`python -m hackle_sandbox` is `hackle-sandbox`."""

import sys

from hackle_sandbox.cli import main

sys.exit(main())
