"""Tables as they are: what turns frames with gaps, categories, text and dates into numbers for a network."""
