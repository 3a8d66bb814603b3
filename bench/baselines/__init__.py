"""What Bodh is compared with, measured in the same run with the same sound and weights."""
