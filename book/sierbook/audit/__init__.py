"""What a careful reader asks of the labels and of the inputs."""
