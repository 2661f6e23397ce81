"""`python -m heap_sandbox` is `heap-sandbox`."""

import sys

from heap_sandbox.cli import main

sys.exit(main())
