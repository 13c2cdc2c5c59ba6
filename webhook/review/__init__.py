"""The judgement: one Secret in, one decision out."""
