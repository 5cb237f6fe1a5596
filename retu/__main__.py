"""`python -m retu`: the command of this checkout, without installation."""

import sys

from retu.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
