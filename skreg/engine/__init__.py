"""What trains networks: descriptions of fits, the rows that they read, and one trainer for one network or many."""
