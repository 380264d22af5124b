"""The operators' console: what the admin shows beside lists and forms of rows."""
