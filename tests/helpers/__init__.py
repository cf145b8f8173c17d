"""Stand-ins, oracles and odd inputs that several tests share."""
