"""HTTP/2 without TLS, for clients that know beforehand that it is spoken here (the only home of h2)."""
