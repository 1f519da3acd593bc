"""What people really feed it, in bulk: `make torture` runs the stages and prints their figures."""
