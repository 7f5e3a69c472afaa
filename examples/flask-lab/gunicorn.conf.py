"""How gunicorn serves the application in the image."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 2
timeout = 30
graceful_timeout = 10
# Workers show that they live by touching a file: in memory, for a read-only root file system.
worker_tmp_dir = "/dev/shm"
accesslog = "-"
errorlog = "-"
