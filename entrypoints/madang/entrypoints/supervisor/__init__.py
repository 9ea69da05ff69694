"""`madang up`: everything that a deployment on one machine needs, under one process that starts, watches and stops it."""
