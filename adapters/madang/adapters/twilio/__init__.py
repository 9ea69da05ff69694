"""Text messages through Twilio's HTTP API."""
