"""What mean-field theory says of the factor of a block."""
