"""ReportLab: printed documents as PDF."""
