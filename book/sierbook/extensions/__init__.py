"""Extensions of Sphinx: numbers from result files, the claims ledger, what the site needs."""
