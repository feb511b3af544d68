bind = "0.0.0.0:8000"
workers = 4
worker_class = "gthread"
threads = 4
# Its heartbeat files: the root is read-only.
worker_tmp_dir = "/tmp"
