"""What really differs between clean and noisy data: read side by side, whoever made the noise."""
