"""Messages to a Slack channel through an incoming webhook."""
