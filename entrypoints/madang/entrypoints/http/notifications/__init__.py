"""Notifications over HTTP, and the page that ends them."""
