"""From a completion to what it claims: thought, answer text, boxes, sentences, letters."""
