"""What walls look like: a board to draw on in metres, and what is drawn there."""
