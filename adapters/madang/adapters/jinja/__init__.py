"""Messages to people, put into words with Jinja."""
