"""Is an explanation true? Rival methods, measures that need nobody's eye, and what the scores
say."""
