"""The foundation: errors, files, parameters, run-time settings."""
