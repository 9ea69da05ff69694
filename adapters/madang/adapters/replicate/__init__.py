"""Pictures by models that run at Replicate."""
