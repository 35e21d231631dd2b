"""What the shell's commands do beyond starting the service: send photos to a gateway, and show one at work."""
