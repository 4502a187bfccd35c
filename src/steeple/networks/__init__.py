"""Neural networks: images in, feature maps out. Needs the extra ``torch``."""
