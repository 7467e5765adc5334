"""The app behind the front: which guest answers a request, in which process it runs, and what its end means."""
