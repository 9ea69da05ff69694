"""Portraits: a paid AI picture job. Payment, phone, photo, three pictures and a report, SMS, result, gone after 24 hours."""
