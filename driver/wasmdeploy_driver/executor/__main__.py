"""`python -m wasmdeploy_driver.executor STATE_DIR`: what the runner starts for each task."""

import sys

from wasmdeploy_driver.executor.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
