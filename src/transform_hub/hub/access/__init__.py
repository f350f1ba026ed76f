"""Who may use a Hub: tokens, TLS, and what stays hidden from runners."""
