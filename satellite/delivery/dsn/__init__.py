"""What senders are told: delivery status notifications."""
