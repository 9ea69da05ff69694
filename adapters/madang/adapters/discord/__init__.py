"""Messages to a Discord channel through a webhook."""
