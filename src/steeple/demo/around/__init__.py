"""What surrounds a landmark: weather, ground, houses, people, and other views."""
