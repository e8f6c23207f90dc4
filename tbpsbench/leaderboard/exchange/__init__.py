"""Our records in the forms of other boards: Hugging Face's evaluation results, and Every Eval Ever."""
