"""The `trainer_state.json` files of Hugging Face's Trainer."""
