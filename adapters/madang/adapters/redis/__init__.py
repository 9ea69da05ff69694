"""Cache, limits and live events on Redis or Valkey: losing all of it loses nothing."""
