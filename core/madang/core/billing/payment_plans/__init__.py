"""Payment plans: a project's instalments, their reminders, and the monthly fee after the launch."""
