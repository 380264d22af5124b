"""The same list of jobs as others would serve it: a small Django project on our tables."""
