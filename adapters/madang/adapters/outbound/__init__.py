"""Requests to addresses that strangers name: judged by where they lead, and connected to exactly what was judged."""
