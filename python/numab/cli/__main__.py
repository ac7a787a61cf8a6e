"""``python -m numab.cli``: the same as ``numab``."""

import sys

from . import main

sys.exit(main())
