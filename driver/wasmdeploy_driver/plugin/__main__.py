"""`python -m wasmdeploy_driver.plugin` is the plugin."""

from wasmdeploy_driver.plugin import main

main()
