"""What every context stands on: ids, time, errors, messages, actions and the unit of work."""
