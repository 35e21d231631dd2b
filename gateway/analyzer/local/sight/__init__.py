"""What is seen in a picture: a small image classifier in numpy, and general words for what it knows."""
