"""The processes behind the API: the relay says that there is work, workers do it."""

from madang.entrypoints.worker.main import run_relay, run_worker

__all__ = ["run_relay", "run_worker"]
