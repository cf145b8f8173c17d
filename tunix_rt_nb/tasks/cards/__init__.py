"""Card tasks: High Card Duel, Mini Spades and Gin Rummy, written from their rules."""
