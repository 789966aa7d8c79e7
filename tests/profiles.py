"""How many examples a property test tries: a few here, the same ones each time; many at night, others each time.

HYPOTHESIS_PROFILE chooses: "default" or "nightly". `conftest.py` imports this before any test is read.
"""

from __future__ import annotations

import os

from hypothesis import settings

# No database of examples: a failure is told with the words that repeat it, and no file is left in the tree.
settings.register_profile("default", max_examples=25, deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=120, deadline=None, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "default")
