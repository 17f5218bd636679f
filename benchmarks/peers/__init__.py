"""What others would write in this project's place, as plain programs."""
