"""What COPY moves: where data comes from and goes to, and rows as COPY writes them."""
