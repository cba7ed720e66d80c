"""Sites to compare with: what the same work costs without the product."""
