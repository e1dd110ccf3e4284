"""What becomes of acknowledged writes when something breaks: `make faults`."""
