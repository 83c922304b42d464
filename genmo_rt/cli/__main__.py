"""`python -m genmo_rt.cli`."""

import sys

from genmo_rt.cli import main

sys.exit(main())
