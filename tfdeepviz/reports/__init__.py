"""Results for people: one vocabulary of measures; charts, tables and pages that show them."""
