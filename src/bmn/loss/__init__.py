"""What training minimizes: label maps and the three losses."""
