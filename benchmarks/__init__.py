"""What noisecli costs, beside what people would use without it: `make bench`, `make profile`."""
