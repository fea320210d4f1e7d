"""Models that describe pictures and draw them: one autoregressive transformer for both (the Janus family)."""
