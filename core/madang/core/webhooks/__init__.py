"""Our own webhooks to clients: what happens to what is theirs, told to an address of theirs and signed."""
