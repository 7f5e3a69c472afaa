"""How gunicorn serves the application in every image."""

import os

bind = "0.0.0.0:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
graceful_timeout = 10
# In memory, so that the root file system can be read-only.
worker_tmp_dir = "/dev/shm"
accesslog = "-"
