"""What became of communications, in numbers. Above `communications` in the layers; it holds nothing yet."""
