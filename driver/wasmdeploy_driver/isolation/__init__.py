"""What a process gives up for good, with the kernel's means: Landlock, seccomp, its user and its capabilities."""
