"""The fork server: it has loaded all that an executor needs, and forks one in milliseconds for its plugin."""
