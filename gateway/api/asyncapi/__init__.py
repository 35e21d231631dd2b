"""What the gateway tells of its own accord, described as an AsyncAPI document: channels, messages, who sends which."""
