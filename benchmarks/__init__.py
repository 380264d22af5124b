"""What the service does in a second, beside what others do, on the machine it is run on: `make bench`."""
