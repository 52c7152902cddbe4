"""The process kubelet: runs each container of the embedded cluster as a local process."""
