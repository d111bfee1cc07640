"""What noisecli is measured against: each module is a program, and the best straightforward use of its library."""
