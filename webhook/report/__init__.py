"""What was found in many Secrets, and the forms in which people and programs read it; nothing of how it was found."""
