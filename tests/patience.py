"""How long a test waits for what must come.

Far longer than it takes: on a machine that neighbours hold up it still comes, and only a failure waits so long.
"""

from typing import Final

PATIENCE_S: Final = 30
