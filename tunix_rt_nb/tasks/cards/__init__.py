"""Tasks of cards: High Card Duel, Mini Spades and Gin Rummy, from their rules."""
