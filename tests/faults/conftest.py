"""The helpers of the other tests, `fake_work` above all, are for these too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
