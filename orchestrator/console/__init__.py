"""The operators' console: dashboard, monitoring pages, bulk changes and exports beside the admin."""
