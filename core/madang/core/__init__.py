"""The domain and its use cases: pure Python, standard library only."""
