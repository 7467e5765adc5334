"""`python -m wasmdeploy_driver.console STATE FD`: a console for the command in the memory file FD."""

import sys

from wasmdeploy_driver.console.main import main

sys.exit(main(sys.argv[1:]))
