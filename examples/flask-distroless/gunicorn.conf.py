"""How gunicorn serves the application in both images."""

bind = "0.0.0.0:5001"
workers = 2
# In memory, so that the root file system can be read-only.
worker_tmp_dir = "/dev/shm"
accesslog = "-"
