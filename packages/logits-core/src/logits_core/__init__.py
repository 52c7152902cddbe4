"""Pure domain logic of Logits: values in, decisions out."""
