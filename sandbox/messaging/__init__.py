"""What the stand-ins of the messaging providers share: behaviours, what arrived, and callbacks."""
