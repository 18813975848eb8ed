"""What the screens are made of. A widget draws lines it is given; it knows no night."""
