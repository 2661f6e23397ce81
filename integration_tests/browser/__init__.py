"""What people meet in a browser: the connector's form, and the sandbox's page."""

import pytest

# Before it is imported by anyone, so that its asserts explain themselves too.
pytest.register_assert_rewrite("integration_tests.browser.browsing")
