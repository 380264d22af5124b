"""The commands; each only renders what the monitoring found out."""
