"""The worker on arq: arq carries wake-ups, the outbox is the memory."""
