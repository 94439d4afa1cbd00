"""Measurements that anyone can repeat; each module is one command."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
