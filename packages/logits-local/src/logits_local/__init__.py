"""The whole of Logits on one laptop: an embedded cluster and the commands around it."""
